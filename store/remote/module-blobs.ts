/** Everything of a module that is sent, as a store has it: nothing is packed again but sidecars. */
import type { CID } from 'multiformats/cid'
import { compress } from 'zstd-napi'
import { assertPart, DataFile, findBlob, readPart, readWholeBlob } from '../contents/index.ts'
import { dataPath, openStoreFile, type Store } from '../files/index.ts'
import { decodeLayerManifest, decodeRecord, type LayerManifest, type ModuleRecord } from '../module/index.ts'
import { hashFile, type Part, readRecipe } from '../object/index.ts'
import type { PushedBlob } from '../registry/index.ts'
import { type Digest, digestOf, formatCid, StrataError, sha256Of } from '../values/index.ts'
import { type Descriptor, encodeModuleManifest, type SentLayer } from './module-manifest.ts'

export interface SentModule {
  record: ModuleRecord
  /** The manifest. */
  bytes: Buffer
  /** Each blob that it names, once. */
  blobs: PushedBlob[]
}

const READ_BYTES = 1 << 20
/** Below this size, packing saves less than a block of a disk. */
const WORTH_PACKING_BYTES = 4096
const SIDECAR_LEVEL = 9

/** @throws StrataError BLOB_MISSING, BLOB_CORRUPT, ACCESS_DENIED, LIMIT_EXCEEDED */
export async function readSentModule(store: Store, id: CID): Promise<SentModule> {
  const gathered = new Gathered(store)
  const bytes = await readWholeBlob(store, sha256Of(id))
  const record = decodeRecord(bytes, `record ${formatCid(id)}`)
  const config = gathered.add(bytes)
  const layers: SentLayer[] = []
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
  const encoded = encodeModuleManifest(record, { record: config, layers })
  return { record, bytes: encoded, blobs: [...gathered.blobs.values()] }
}

/** A receiver needs all layers that others lie on. */
function refuseStrangeParent({ layers }: ModuleRecord, layer: CID, parent: LayerManifest['parent']): void {
  if (parent === undefined || layers.some(other => other.equals(parent))) return
  throw new StrataError('MANIFEST_INVALID', {
    message: `layer ${formatCid(layer)} lies on layer ${formatCid(parent)}, which its module does not have`,
    hint: 'compose import its tarballs again, with --replace'
  })
}

class Gathered {
  readonly blobs = new Map<Digest, PushedBlob>()
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  add(bytes: Uint8Array): Descriptor {
    return this.#keep({ digest: digestOf(bytes), sizeBytes: bytes.length }, () => once(bytes))
  }

  async addSidecar(id: CID): Promise<SentLayer['sidecar']> {
    const bytes = await readWholeBlob(this.#store, sha256Of(id))
    const isPacked = bytes.length >= WORTH_PACKING_BYTES
    const sent = isPacked ? compress(bytes, { compressionLevel: SIDECAR_LEVEL }) : bytes
    return { ...this.add(sent), isPacked }
  }

  async addTar(tar: Digest): Promise<SentLayer['tar']> {
    const found = findBlob(this.#store, tar)
    if (found?.encoding !== '.recipe') throw missingTar(tar)
    const { root } = found.store
    const open = () => openStoreFile(root, found.path)
    const file = await open()
    try {
      const { profile } = await readRecipe(file)
      const { sha256, sizeBytes } = await hashFile(file)
      const data = await DataFile.openIfThere(root, dataPath(tar, profile))
      if (data === undefined) throw missingTar(tar)
      await data.close()
      return {
        recipe: this.#keep({ digest: sha256.toString('hex') as Digest, sizeBytes }, () => bytesOf(open())),
        parts: data.list.parts.map(part => this.#addPart(root, part))
      }
    } finally {
      await file.close()
    }
  }

  #addPart(root: string, part: Part): Descriptor {
    return this.#keep(
      { digest: part.sha256, sizeBytes: part.lengthBytes },
      () => readPart(root, part),
      () => assertPart(root, part)
    )
  }

  #keep(
    { digest, sizeBytes }: Descriptor,
    chunks: PushedBlob['chunks'],
    check?: PushedBlob['check']
  ): Descriptor {
    this.blobs.set(digest, { digest: `sha256:${digest}`, sizeBytes, chunks, ...(check && { check }) })
    return { digest, sizeBytes }
  }
}

async function* bytesOf(opening: ReturnType<typeof openStoreFile>): AsyncGenerator<Uint8Array> {
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
