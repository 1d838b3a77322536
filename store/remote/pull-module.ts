/** Fetches a module from a registry (spec/registry.md#pull). */
import { pipeline, Readable } from 'node:stream'
import type { CID } from 'multiformats/cid'
import { DecompressStream } from 'zstd-napi'
import type { Store } from '../files/index.ts'
import {
  type ModuleSender,
  type ReceivedModule,
  type ReceiveOptions,
  receiveModule,
  type SentBlob,
  type SentSidecar
} from '../import/index.ts'
import {
  decodeRecord,
  formatModuleName,
  formatModuleRequest,
  LARGEST_MANIFEST_BYTES,
  type ModuleName,
  type ModuleRequest,
  matchesVersion
} from '../module/index.ts'
import {
  findImage,
  formatReference,
  formatRepository,
  type ImageReference,
  type RegistrySettings,
  type RemoteManifest
} from '../registry/index.ts'
import {
  bytesOf,
  digestOf,
  formatCid,
  isMap,
  manifestCid,
  StrataError,
  type Stretch,
  sha256Of
} from '../values/index.ts'
import { type FoundManifest, type ManifestSource, showHost } from './manifest-source.ts'
import { decodeModuleManifest, isModuleManifest, type ModuleManifest } from './module-manifest.ts'
import { isPlaceOf } from './module-place.ts'
import { readSentSignatures } from './read-signatures.ts'

export interface PullOptions extends ReceiveOptions {
  registry: RegistrySettings
  /** What users asked for by name: a record with another name is refused, also if both have the same repository and tag. */
  wanted?: ModuleRequest
  /** Called before anything is fetched, once it is settled which remote a name is taken from. */
  onRemote?: (from: TakenFrom) => void
}

export interface TakenFrom {
  /** `NAME (HOST/PREFIX)` */
  remote: string
  /** Names of the remotes before it that refuse to say whether they have the module. */
  refusedBy: string[]
}

export interface PulledModule extends ReceivedModule {
  /** `HOST/REPOSITORY:TAG` */
  reference: string
  /** Of the manifest. */
  digest: string
  /** The remote that was chosen, if the module was asked for by its name. */
  remote?: string
}

/** @throws StrataError as receiveModule; REGISTRY_…, REFERENCE_NAME */
export async function pullModule(
  store: Store,
  reference: ImageReference,
  options: PullOptions
): Promise<PulledModule> {
  const found = await findImage(reference, options.registry)
  return pullFound(store, found, reference, options).finally(() => found.repository.close())
}

/** Like `pullModule`, for a manifest that was read. */
export async function pullFound(
  store: Store,
  found: FoundManifest,
  reference: ImageReference,
  options: PullOptions
): Promise<PulledModule> {
  const remote = new RemoteModule(found.repository, found.top)
  const bytes = await remote.readRecord(reference, options.wanted)
  const received = await receiveModule(store, bytes, remote, options)
  const notes = [...found.notes, ...received.notes]
  return { ...received, notes, reference: formatReference(reference), digest: found.top.digest }
}

/** A module in a registry, read by its manifest. */
export class RemoteModule implements ModuleSender {
  readonly #repository: ManifestSource
  readonly #digest: string
  readonly #manifest: ModuleManifest

  /** @throws StrataError REGISTRY_INVALID */
  constructor(repository: ManifestSource, { bytes, digest }: RemoteManifest) {
    this.#repository = repository
    this.#digest = digest
    this.#manifest = this.#decode(bytes)
  }

  get layers(): ModuleSender['layers'] {
    return this.#manifest.layers
  }

  /** Bytes of its data files, as they are packed. */
  get dataBytes(): number {
    return bytesOf(this.layers.flatMap(({ tar }) => tar?.data ?? []))
  }

  /**
   * The bytes of the record, which has the name under which it lies.
   * @throws StrataError REGISTRY_INVALID, MANIFEST_INVALID, REFERENCE_NAME
   */
  async readRecord(reference: ImageReference, wanted?: ModuleRequest): Promise<Uint8Array> {
    const blob = this.#manifest.record
    const bytes = await this.#readWhole(blob, LARGEST_MANIFEST_BYTES)
    if (digestOf(bytes) !== blob.sha256) throw this.refuse(`its record hashes to sha256:${digestOf(bytes)}`)
    const id = manifestCid(bytes)
    const record = decodeRecord(bytes, `record ${formatCid(id)} of ${this.#name}`)
    if (reference.digest === undefined && !isPlaceOf(reference, record, id))
      throw new StrataError('REFERENCE_NAME', {
        message: `${formatReference(reference)} holds ${formatModuleName(record)}, which belongs under its own name`,
        facts: {
          reference: formatReference(reference),
          module: formatModuleName(record),
          record: formatCid(id)
        },
        hint: `${formatRepository(reference)}@${this.#digest} takes it for what it is`
      })
    if (wanted !== undefined && !isAskedFor(record, wanted)) throw otherName(reference, record, wanted)
    return bytes
  }

  readSignatures(record: CID): Promise<Uint8Array[]> {
    return readSentSignatures(this.#repository, sha256Of(record))
  }

  read({ sha256, lengthBytes }: SentBlob, stretch?: Stretch): AsyncIterable<Uint8Array> {
    return this.#repository.readBlob(`sha256:${sha256}`, lengthBytes, stretch)
  }

  async readSidecar(sidecar: SentSidecar, mostBytes: number): Promise<Uint8Array> {
    const packed = await this.#readWhole(sidecar, mostBytes)
    if (!sidecar.isPacked) return packed
    try {
      const unpacked = pipeline(Readable.from([packed]), new DecompressStream(), () => {})
      return await this.#gather(unpacked, mostBytes)
    } catch (error) {
      if (error instanceof StrataError) throw error
      throw this.refuse(`blob sha256:${sidecar.sha256} is not a zstd stream`, error)
    }
  }

  refuse(fault: string, cause?: unknown): StrataError {
    const { host } = this.#repository.place
    return new StrataError('REGISTRY_INVALID', {
      message: `${showHost(this.#repository.place)}: manifest ${this.#digest} of ${this.#name}: ${fault}`,
      facts: { registry: host, repository: this.#name, digest: this.#digest },
      hint: 'ask the person who pushed it for compose fsck, and to push it again with --replace',
      cause
    })
  }

  get #name(): string {
    return formatRepository(this.#repository.place)
  }

  #decode(bytes: Buffer): ModuleManifest {
    const document = this.#parse(bytes)
    if (!isModuleManifest(document)) throw this.#isSomethingElse(document)
    try {
      return decodeModuleManifest(document)
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause
      throw this.refuse(cause.message, cause)
    }
  }

  /** An image file shares nothing, so there is nothing to fetch better than others do. */
  #isImageFile(sha256: string): StrataError {
    const { host } = this.#repository.place
    return new StrataError('REGISTRY_INVALID', {
      message: `${showHost(this.#repository.place)}: ${this.#name} holds an image file (${this.#digest}), not a module or lock`,
      facts: { registry: host, repository: this.#name, digest: this.#digest },
      hint: `skopeo copy docker://${this.#name}@${this.#digest} dir:FOLDER fetches it as FOLDER/${sha256}`
    })
  }

  #parse(bytes: Buffer): unknown {
    try {
      return JSON.parse(bytes.toString())
    } catch (cause) {
      throw this.refuse('it is not JSON', cause)
    }
  }

  #isSomethingElse(document: unknown): StrataError {
    const { host } = this.#repository.place
    const file = imageFileIn(document)
    if (file !== undefined) return this.#isImageFile(file)
    const isImage = isMap(document) && (Array.isArray(document.manifests) || Array.isArray(document.layers))
    return new StrataError('REGISTRY_INVALID', {
      message: `${showHost(this.#repository.place)}: manifest ${this.#digest} of ${this.#name} is not one of a module`,
      facts: { registry: host, repository: this.#name, digest: this.#digest },
      ...(isImage && {
        hint: `compose import MODULE docker://${this.#name}@${this.#digest}, if it is an image`
      })
    })
  }

  #readWhole(blob: SentBlob, mostBytes: number): Promise<Buffer> {
    if (blob.lengthBytes > mostBytes) throw this.#tooLarge(blob.lengthBytes, mostBytes)
    return this.#gather(this.read(blob), mostBytes)
  }

  async #gather(pieces: AsyncIterable<Uint8Array>, mostBytes: number): Promise<Buffer> {
    const gathered: Uint8Array[] = []
    let sizeBytes = 0
    for await (const piece of pieces) {
      sizeBytes += piece.length
      if (sizeBytes > mostBytes) throw this.#tooLarge(sizeBytes, mostBytes)
      gathered.push(piece)
    }
    return Buffer.concat(gathered)
  }

  #tooLarge = (sizeBytes: number, mostBytes: number): StrataError =>
    this.refuse(`a record or sidecar of ${sizeBytes} bytes or more is larger than ${mostBytes}`)
}

const isAskedFor = (record: ModuleName, { category, name, version }: ModuleRequest): boolean =>
  record.category === category && record.name === name && matchesVersion(version, record.version)

const otherName = (reference: ImageReference, record: ModuleName, wanted: ModuleRequest): StrataError =>
  new StrataError('REFERENCE_NAME', {
    message: `${formatReference(reference)} holds ${formatModuleName(record)}, and ${formatModuleRequest(wanted)} was asked for`,
    facts: { reference: formatReference(reference), module: formatModuleName(record) },
    hint: `compose pull ${formatModuleName(record)}`
  })

/** Types of the layer that is an image file, SquashFS or SIF (spec/registry.md#push). */
const IMAGE_FILE = /^application[/]vnd[.](strata[.]squashfs[.]v1|sylabs[.]sif[.]layer[.]v1[.]sif)$/

/** SHA-256 of the image file that a manifest brings. */
function imageFileIn(document: unknown): string | undefined {
  const layers = isMap(document) && Array.isArray(document.layers) ? document.layers : []
  const file = layers.find(layer => isMap(layer) && IMAGE_FILE.test(String(layer.mediaType)))
  return isMap(file) ? /^sha256:([0-9a-f]{64})$/.exec(String(file.digest))?.[1] : undefined
}
