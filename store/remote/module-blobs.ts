/** Everything of a module that is sent, as a store has it: nothing is packed again but sidecars. */
import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { CID } from 'multiformats/cid'
import { compress } from 'zstd-napi'
import {
  assertPart,
  DataFile,
  findBlob,
  type PartInStore,
  readParts,
  readWholeBlob
} from '../contents/index.ts'
import { dataPath, openStoreFile, type Store } from '../files/index.ts'
import type { SentBlob, SentData, SentLayer, SentSidecar } from '../import/index.ts'
import { decodeLayerManifest, decodeRecord, type LayerManifest, type ModuleRecord } from '../module/index.ts'
import { hashFile, type Part, readRecipe } from '../object/index.ts'
import type { PushedBlob } from '../registry/index.ts'
import { bytesOf, type Digest, digestOf, formatCid, StrataError, sha256Of } from '../values/index.ts'
import { groupParts } from './data-blobs.ts'
import { decodeIfModule, encodeModuleManifest, type ModuleManifest } from './module-manifest.ts'

/** A manifest, and each blob that it names, once. */
export interface SentManifest {
  bytes: Buffer
  blobs: PushedBlob[]
}

const READ_BYTES = 1 << 20
/** Below this size, packing saves less than a block of a disk. */
const WORTH_PACKING_BYTES = 4096
const SIDECAR_LEVEL = 9

/** A layer, with the parts of its data file in place of blobs. */
interface StoredLayer extends Omit<SentLayer, 'tar'> {
  tar?: { recipe: SentBlob; data: StoredData }
}

interface StoredData {
  parts: readonly Part[]
  /** The data file. @throws StrataError OBJECT_CORRUPT if it was damaged since its last check */
  open(): Promise<DataFile>
}

/** What a store has of a module, and the blobs in which that can be sent. */
export class SentModule {
  readonly record: ModuleRecord
  readonly #config: SentBlob
  readonly #layers: readonly StoredLayer[]
  readonly #gathered: Gathered

  private constructor(
    record: ModuleRecord,
    config: SentBlob,
    layers: readonly StoredLayer[],
    gathered: Gathered
  ) {
    this.record = record
    this.#config = config
    this.#layers = layers
    this.#gathered = gathered
  }

  /** @throws StrataError BLOB_MISSING, BLOB_CORRUPT, ACCESS_DENIED */
  static async read(store: Store, id: CID): Promise<SentModule> {
    const gathered = new Gathered(store)
    const bytes = await readWholeBlob(store, sha256Of(id))
    const record = decodeRecord(bytes, `record ${formatCid(id)}`)
    const config = gathered.add(bytes)
    const layers: StoredLayer[] = []
    const sent = new Set<Digest>()
    for (const layer of record.layers) {
      const manifest = await readWholeBlob(store, sha256Of(layer))
      const { tar, sidecar, parent } = decodeLayerManifest(manifest, `layer ${formatCid(layer)}`)
      refuseStrangeParent(record, layer, parent)
      const isNew = !sent.has(sha256Of(tar))
      sent.add(sha256Of(tar))
      layers.push({
        manifest: gathered.add(manifest),
        ...(sidecar && { sidecar: await gathered.addSidecar(sidecar) }),
        ...(isNew && { tar: await gathered.addTar(sha256Of(tar)) })
      })
    }
    return new SentModule(record, config, layers, gathered)
  }

  /**
   * The manifest that the module has from every site that packed it in the same way. Blobs of several parts are hashed.
   * @throws StrataError LIMIT_EXCEEDED, OBJECT_CORRUPT
   */
  async manifest(): Promise<SentManifest> {
    const layers: SentLayer[] = []
    for (const { tar, ...layer } of this.#layers)
      layers.push({ ...layer, ...(tar && { tar: { ...tar, data: await dataBlobs(tar.data) } }) })
    return this.#manifestOf({ record: this.#config, layers })
  }

  /**
   * The same, without hashing, if a registry has the manifest already, whatever blobs it puts the parts in.
   * @returns undefined if it is no manifest of the module, or of one that was packed or cut in another way
   */
  manifestLike(there: Buffer): SentManifest | undefined {
    const named = decodeIfModule(there)
    if (named === undefined || !isDeepStrictEqual(inParts(named), inParts(this.#inParts()))) return undefined
    return this.#manifestOf(named)
  }

  #manifestOf(manifest: ModuleManifest): SentManifest {
    const blobs = new Map(blobsOf(manifest).map(blob => [blob.sha256, this.#gathered.pushed(blob)]))
    return { bytes: encodeModuleManifest(this.record, manifest), blobs: [...blobs.values()] }
  }

  #inParts(): ModuleManifest {
    const layers = this.#layers.map(({ tar, ...layer }) => ({
      ...layer,
      ...(tar && { tar: { ...tar, data: tar.data.parts.map(part => ({ ...part, parts: [part] })) } })
    }))
    return { record: this.#config, layers }
  }
}

/** All that a module is, with parts in place of blobs that hold several. */
const inParts = ({ record, layers }: ModuleManifest) => ({
  record,
  layers: layers.map(({ tar, ...layer }) => ({
    ...layer,
    recipe: tar?.recipe,
    parts: tar?.data.flatMap(({ parts }) => parts.map(({ sha256, lengthBytes }) => ({ sha256, lengthBytes })))
  }))
})

/** What a manifest names, in its order. */
export const blobsOf = ({ record, layers }: ModuleManifest): (SentBlob | SentData)[] => [
  record,
  ...layers.flatMap(({ manifest, sidecar, tar }) => [
    manifest,
    ...(sidecar ? [sidecar] : []),
    ...(tar ? [tar.recipe, ...tar.data] : [])
  ])
]

/** A receiver needs all layers that others lie on. */
function refuseStrangeParent({ layers }: ModuleRecord, layer: CID, parent: LayerManifest['parent']): void {
  if (parent === undefined || layers.some(other => other.equals(parent))) return
  throw new StrataError('MANIFEST_INVALID', {
    message: `layer ${formatCid(layer)} lies on layer ${formatCid(parent)}, which its module does not have`,
    hint: 'compose import its tarballs again, with --replace'
  })
}

/** A part is named by its hash already; the bytes of several have one of their own. */
async function dataBlobs({ parts, open }: StoredData): Promise<SentData[]> {
  const groups = groupParts(parts)
  if (groups.length === parts.length) return parts.map(part => ({ ...part, parts: [part] }))
  const data = await open()
  try {
    const blobs: SentData[] = []
    for (const group of groups) {
      const sha256 = group.length === 1 ? group[0].sha256 : hashGroup(data, group)
      blobs.push({ sha256, lengthBytes: bytesOf(group), parts: group })
      // Ctrl-C is heard between two blobs.
      await setImmediate()
    }
    return blobs
  } finally {
    await data.close()
  }
}

function hashGroup({ parts }: DataFile, group: readonly Part[]): Digest {
  const hash = createHash('sha256')
  const end = group[0].start + bytesOf(group)
  const room = Buffer.allocUnsafe(READ_BYTES)
  for (let at = group[0].start; at < end; at += room.length) {
    const piece = room.subarray(0, end - at)
    parts.read(at, piece)
    hash.update(piece)
  }
  return hash.digest('hex') as Digest
}

/** What a store has of a module, by its hash. */
class Gathered {
  readonly #store: Store
  readonly #wholes = new Map<Digest, PushedBlob['chunks']>()
  readonly #parts = new Map<Digest, PartInStore>()

  constructor(store: Store) {
    this.#store = store
  }

  /** A blob of what was added: a document, a recipe, or parts one after another. */
  pushed(blob: SentBlob | SentData): PushedBlob {
    const named = { digest: `sha256:${blob.sha256}`, sizeBytes: blob.lengthBytes }
    if (!('parts' in blob)) return { ...named, chunks: this.#wholes.get(blob.sha256)! }
    const parts = blob.parts.map(({ sha256 }) => this.#parts.get(sha256)!)
    return { ...named, chunks: () => readParts(parts), check: () => parts.forEach(assertPart) }
  }

  add(bytes: Uint8Array): SentBlob {
    return this.#keep({ sha256: digestOf(bytes), lengthBytes: bytes.length }, () => once(bytes))
  }

  async addSidecar(id: CID): Promise<SentSidecar> {
    const bytes = await readWholeBlob(this.#store, sha256Of(id))
    const isPacked = bytes.length >= WORTH_PACKING_BYTES
    const sent = isPacked ? compress(bytes, { compressionLevel: SIDECAR_LEVEL }) : bytes
    return { ...this.add(sent), isPacked }
  }

  async addTar(tar: Digest): Promise<StoredLayer['tar']> {
    const found = findBlob(this.#store, tar)
    if (found?.encoding !== '.recipe') throw missingTar(tar)
    const { root } = found.store
    const open = () => openStoreFile(root, found.path)
    const file = await open()
    try {
      const { profile, dataSha256 } = await readRecipe(file)
      const { sha256, sizeBytes } = await hashFile(file)
      const data = await openData(root, tar, profile)
      await data.close()
      const { parts } = data.list
      for (const part of parts) this.#parts.set(part.sha256, { ...part, storeRoot: root })
      const recipe = { sha256: sha256.toString('hex') as Digest, lengthBytes: sizeBytes }
      return {
        recipe: this.#keep(recipe, () => fileBytes(open())),
        data: { parts, open: () => openChecked(root, tar, { profile, dataSha256 }) }
      }
    } finally {
      await file.close()
    }
  }

  #keep(blob: SentBlob, chunks: PushedBlob['chunks']): SentBlob {
    this.#wholes.set(blob.sha256, chunks)
    return blob
  }
}

type FoundRecipe = Awaited<ReturnType<typeof readRecipe>>

async function openData(root: string, tar: Digest, profile: FoundRecipe['profile']): Promise<DataFile> {
  const data = await DataFile.openIfThere(root, dataPath(tar, profile))
  if (data === undefined) throw missingTar(tar)
  return data
}

async function openChecked(
  root: string,
  tar: Digest,
  { profile, dataSha256 }: Pick<FoundRecipe, 'profile' | 'dataSha256'>
): Promise<DataFile> {
  const data = await openData(root, tar, profile)
  try {
    await data.check({ dataSha256 })
    return data
  } catch (error) {
    await data.close()
    throw error
  }
}

async function* fileBytes(opening: ReturnType<typeof openStoreFile>): AsyncGenerator<Uint8Array> {
  const file = await opening
  try {
    yield* file.createReadStream({ start: 0, highWaterMark: READ_BYTES })
  } finally {
    await file.close()
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

const missingTar = (tar: Digest): StrataError =>
  new StrataError('BLOB_MISSING', {
    message: `no store has tarball sha256:${tar} as a recipe and a data file`,
    hint: 'compose fsck says who needs it'
  })
