/**
 * Publishes a module that lies elsewhere, record and layers exactly as they are there. First comes all that can refuse
 * it, then what this store lacks, layer by layer, each proven before it is published; last the record and the name.
 */
import { createHash } from 'node:crypto'
import type { CID } from 'multiformats/cid'
import { type Consent, type LayerDigests, NO_CONSENT, refuseDroppedAcls } from '../access/index.ts'
import { mostSidecarBytes } from '../acl/index.ts'
import {
  assertWritable,
  type FileAccess,
  partPath,
  type Store,
  storeFolder,
  TemporaryFile
} from '../files/index.ts'
import { rebuildIndex, updateIndex } from '../index/index.ts'
import {
  decodeLayerManifest,
  decodeRecord,
  formatModuleName,
  LARGEST_MANIFEST_BYTES,
  type LayerManifest,
  type ModuleName,
  type ModuleRecord
} from '../module/index.ts'
import { type CheckedPart, readRecipe, writeFully } from '../object/index.ts'
import { assertTrusted, readTrust } from '../policy/index.ts'
import {
  type Digest,
  digestOf,
  formatCid,
  type Limits,
  manifestCid,
  StrataError,
  type Stretch,
  sha256Of
} from '../values/index.ts'
import { aclsDroppedByLayers } from './former-acls.ts'
import { ImportAccess } from './import-access.ts'
import { publishRecord, writeUnlisted } from './import-module.ts'
import { keepSignatures } from './keep-signatures.ts'
import { refuseOtherGroups } from './other-groups.ts'
import { readPredecessor } from './predecessor.ts'
import { receiveData, type SentBlob, type SentData } from './receive-data.ts'
import { type KnownLayer, type ReceivedTar, receiveLayer, storedRecipe } from './receive-layer.ts'
import { refuseLargeRecipe, refuseOtherLength } from './sent-lengths.ts'
import { refuseWiderModule } from './wider-module.ts'

/** A sidecar may be packed for the way. */
export interface SentSidecar extends SentBlob {
  isPacked: boolean
}

export interface SentLayer {
  manifest: SentBlob
  sidecar?: SentSidecar
  /** Undefined if a layer below has the same tarball. */
  tar?: SentTar
}

/** A tarball: its recipe, and the recipe's data file. */
export interface SentTar {
  recipe: SentBlob
  data: SentData[]
}

/** Reads a module elsewhere. Nothing that it gives is believed before its hash was compared. */
export interface ModuleSender {
  /** Bottom to top. */
  layers: readonly SentLayer[]
  /** Some of a blob's bytes, or all; never more. @throws StrataError */
  read(blob: SentBlob, stretch: Stretch): AsyncIterable<Uint8Array>
  /** The bytes of a sidecar, unpacked. @throws StrataError */
  readSidecar(sidecar: SentSidecar, mostBytes: number): Promise<Uint8Array>
  /** Signatures of the record, right or wrong. */
  readSignatures(record: CID): Promise<Uint8Array[]>
  /** The error for something that is not what it should be. */
  refuse(fault: string, cause?: unknown): StrataError
}

export interface ReceiveOptions {
  replace: boolean
  limits: Limits
  consent?: Consent
  /** Write the record, but no ref, as for an import. */
  unlisted?: boolean
  /** Called before any data are asked for, with the bytes of data that the store lacks. */
  onPlan?: (missingBytes: number, totalBytes: number) => void
  onProgress?: (receivedBytes: number, missingBytes: number) => void
}

export interface ReceivedModule {
  name: ModuleName
  record: CID
  outcome: 'created' | 'same' | 'replaced'
  previous?: CID
  /** Bytes of data that came. */
  receivedBytes: number
  notes: string[]
}

/** What policies are asked about. */
const PURPOSES = ['pull', 'publish'] as const

const ACLS_ARE_LOST =
  'ask the person who pushed it to import it with its ACLs (compose import --acl FILE); --drop-acls takes it without them'

/**
 * @param bytes of the record
 * @throws StrataError before any data are asked for: MODULE_EXISTS, ACCESS_GROUP, ACCESS_WIDER, STORE_ACCESS, those of
 * policies. Later: what `refuse` gives, TAR_INVALID, PRIVILEGED, ACCESS_WIDER for lost ACLs. No name stands for the
 * module then
 */
export async function receiveModule(
  store: Store,
  bytes: Uint8Array,
  sender: ModuleSender,
  options: ReceiveOptions
): Promise<ReceivedModule> {
  const { replace, consent = NO_CONSENT, unlisted } = options
  const id = manifestCid(bytes)
  const record = decodeRecord(bytes, `record ${formatCid(id)}`)
  const name: ModuleName = record
  await assertWritable(store)
  refuseOtherGroups(record, consent)
  const before = unlisted ? undefined : await readPredecessor(store, name, replace)
  if (before?.isCurrent && !replace && !before.id.equals(id)) throw alreadyThere(name, before.id, id)
  refuseWiderModule(name, record, { before, sources: [], consent })
  const trust = await readTrust(store.searched, store.root)
  const sent = await sender.readSignatures(id)
  const notes = await keepSignatures(store, { id, bytes, sent }, { trust, purposes: PURPOSES })
  const part = { name: formatModuleName(name), record: id, bytes, layers: record.layers }
  await assertTrusted(store, PURPOSES, [part], trust).catch(error => {
    throw notSignedThere(error, part.name, notes)
  })
  const access = new ImportAccess(store, record, consent)
  const receiving = new Receiving(store, sender, options)
  await receiving.readLayers(record)
  await receiving.receiveAll(record, access)
  const droppedAcls = await aclsDroppedByLayers(store, before?.record, record)
  refuseDroppedAcls(part.name, droppedAcls, consent, ACLS_ARE_LOST)
  const published: Pick<ReceivedModule, 'outcome' | 'previous'> = unlisted
    ? await writeUnlisted(store, record)
    : await publishRecord(store, name, record, { replace, before, consent, sign: undefined, isExact: true })
  const settled = await access.settle()
  const { outcome, previous } = published
  if (settled.hasNarrowedTrees) await rebuildIndex(store)
  else if (!unlisted && outcome !== 'same') await updateIndex(store, id)
  return {
    name,
    record: id,
    outcome,
    ...(previous && { previous }),
    receivedBytes: receiving.receivedBytes,
    notes: [...notes, ...settled.notes]
  }
}

/** Whoever pulls cannot sign for others: they sign where they pushed from. */
function notSignedThere(error: unknown, name: string, notes: string[]): unknown {
  if (!(error instanceof StrataError) || error.code !== 'SIGNATURE_MISSING') return error
  return new StrataError(error.code, {
    message: error.message,
    facts: { ...error.facts, ...(notes.length > 0 && { signatures: notes }) },
    hint: `ask those whom the rule names to type compose sign ${name}, and compose push once more; then pull again`,
    cause: error
  })
}

/** The layers of one module on their way. */
class Receiving {
  receivedBytes = 0
  readonly #store: Store
  readonly #sender: ModuleSender
  readonly #options: ReceiveOptions
  readonly #layers: (KnownLayer & { sentSidecar: SentSidecar | undefined })[] = []
  readonly #tars = new Map<Digest, SentTar>()
  #missingBytes = 0

  constructor(store: Store, sender: ModuleSender, options: ReceiveOptions) {
    this.#store = store
    this.#sender = sender
    this.#options = options
  }

  /** Reads all manifests, and says what is missing. */
  async readLayers(record: ModuleRecord): Promise<void> {
    const { layers } = this.#sender
    if (layers.length !== record.layers.length)
      throw this.#sender.refuse(`it has ${layers.length} layers, its record ${record.layers.length}`)
    for (const [i, id] of record.layers.entries()) {
      const { manifest, sidecar, tar } = layers[i]
      const layer = await this.#readLayer(id, manifest, record.layers.slice(0, i))
      const named = sha256Of(layer.manifest.tar)
      if (tar !== undefined) this.#tars.set(named, tar)
      else if (!this.#tars.has(named))
        throw this.#sender.refuse(`nothing is sent for tarball sha256:${named}`)
      this.#layers.push({ ...layer, sentSidecar: sidecar })
    }
    let totalBytes = 0
    for (const [tar, { data }] of this.#tars) {
      const isKnown = (await storedRecipe(this.#store, tar)) !== undefined
      for (const { sha256, lengthBytes } of data.flatMap(({ parts }) => parts)) {
        totalBytes += lengthBytes
        if (!isKnown && !this.#seemsThere(sha256)) this.#missingBytes += lengthBytes
      }
    }
    this.#options.onPlan?.(this.#missingBytes, totalBytes)
  }

  async receiveAll(record: ModuleRecord, access: ImportAccess): Promise<void> {
    const allowPrivileged = record.kind === 'base' || record.allowPrivileged
    for (const { sentSidecar, ...named } of this.#layers) {
      // One at a time, for a sender decides how many there are and how much each unpacks to.
      const layer = { ...named, ...(await this.#readSidecar(named.manifest, sentSidecar)) }
      const planned = await access.plan(digestsOf(layer))
      const tar = sha256Of(layer.manifest.tar)
      const isStored = (await storedRecipe(this.#store, tar)) !== undefined
      const received = isStored ? undefined : await this.#receiveTar(tar, this.#tars.get(tar)!, planned.tar)
      try {
        const { limits } = this.#options
        await receiveLayer(this.#store, layer, received, { limits, allowPrivileged, access: planned })
      } catch (error) {
        throw error instanceof RangeError ? this.#sender.refuse(error.message, error) : error
      } finally {
        await received?.recipeFile.discard()
      }
    }
  }

  async #readLayer(id: CID, blob: SentBlob, lower: CID[]): Promise<KnownLayer> {
    if (blob.sha256 !== sha256Of(id))
      throw this.#sender.refuse(`it sends another layer than ${formatCid(id)}`)
    const bytes = await this.#readWhole(blob, LARGEST_MANIFEST_BYTES)
    const manifest = decodeLayerManifest(bytes, `layer ${formatCid(id)}`)
    const { parent } = manifest
    if (parent !== undefined && !lower.some(below => below.equals(parent)))
      throw this.#sender.refuse(`layer ${formatCid(id)} lies on a layer that is not in its module`)
    return { id, bytes, manifest }
  }

  async #readSidecar(
    { sidecar, entries }: LayerManifest,
    sent: SentSidecar | undefined
  ): Promise<{ sidecar?: Uint8Array }> {
    if (sidecar === undefined) return {}
    if (sent === undefined) throw this.#sender.refuse(`sidecar ${formatCid(sidecar)} is not sent`)
    const bytes = await this.#sender.readSidecar(sent, mostSidecarBytes(entries))
    if (digestOf(bytes) === sha256Of(sidecar)) return { sidecar: bytes }
    throw this.#sender.refuse(`sidecar ${formatCid(sidecar)} has other bytes`)
  }

  async #readWhole(blob: SentBlob, mostBytes: number): Promise<Buffer> {
    if (blob.lengthBytes > mostBytes)
      throw this.#sender.refuse(`a manifest of ${blob.lengthBytes} bytes is larger than ${mostBytes}`)
    const pieces: Uint8Array[] = []
    for await (const piece of this.#bytesOf(blob)) pieces.push(piece)
    const bytes = Buffer.concat(pieces)
    if (digestOf(bytes) === blob.sha256) return bytes
    throw this.#sender.refuse(`blob sha256:${blob.sha256} hashes to sha256:${digestOf(bytes)}`)
  }

  async #receiveTar(tar: Digest, { recipe, data }: SentTar, access: FileAccess): Promise<ReceivedTar> {
    const { limits } = this.#options
    refuseLargeRecipe(tar, recipe, limits)
    const recipeFile = await this.#receiveFile(recipe)
    try {
      const read = await readRecipe(recipeFile.handle, true)
      refuseOtherLength(tar, read, data, limits)
      return { recipeFile, recipe: read, parts: await this.#receiveData(data, access) }
    } catch (error) {
      await recipeFile.discard()
      throw error instanceof RangeError ? this.#sender.refuse(error.message, error) : error
    }
  }

  async #receiveFile(blob: SentBlob): Promise<TemporaryFile> {
    const file = TemporaryFile.create(this.#store.root)
    try {
      let position = 0
      const hash = createHash('sha256')
      for await (const piece of this.#bytesOf(blob)) {
        hash.update(piece)
        await writeFully(file.handle, piece, position)
        position += piece.length
      }
      if (hash.digest('hex') === blob.sha256) return file
      throw this.#sender.refuse(`blob sha256:${blob.sha256} has other bytes`)
    } catch (error) {
      await file.discard()
      throw error
    }
  }

  #receiveData = (data: SentData[], access: FileAccess): Promise<CheckedPart[]> =>
    receiveData(this.#store, data, access, (blob, stretch) => this.#counted(blob, stretch))

  async *#counted(blob: SentBlob, stretch: Stretch): AsyncGenerator<Uint8Array> {
    for await (const piece of this.#bytesOf(blob, stretch)) {
      this.receivedBytes += piece.length
      this.#options.onProgress?.(this.receivedBytes, this.#missingBytes)
      yield piece
    }
  }

  /** A sender that has more bytes than it said, as a file that grows, must not fill the store. */
  async *#bytesOf(
    blob: SentBlob,
    stretch: Stretch = { start: 0, lengthBytes: blob.lengthBytes }
  ): AsyncGenerator<Uint8Array> {
    let sizeBytes = 0
    for await (const piece of this.#sender.read(blob, stretch)) {
      sizeBytes += piece.length
      if (sizeBytes > stretch.lengthBytes)
        throw this.#sender.refuse(`blob sha256:${blob.sha256} has more than its ${blob.lengthBytes} bytes`)
      yield piece
    }
  }

  #seemsThere = (sha256: Digest): boolean =>
    this.#store.searched.some(({ root }) => storeFolder(root).isThere(partPath(sha256)))
}

const digestsOf = ({ id, manifest: { tar, sidecar } }: KnownLayer): LayerDigests => ({
  layer: sha256Of(id),
  tar: sha256Of(tar),
  ...(sidecar && { sidecar: sha256Of(sidecar) })
})

const alreadyThere = (name: ModuleName, current: CID, id: CID): StrataError =>
  new StrataError('MODULE_EXISTS', {
    message: `${formatModuleName(name)} is published with other content`,
    facts: { published: formatCid(current), new: formatCid(id) },
    hint: '--replace (the old record stays reachable by its id)'
  })
