/**
 * Layers compiled for linking: a tree index and the data file that it points into (spec/store-layout.md#objects). A
 * cache: what is missing is compiled again from the tarball and the sidecar, to the same bytes.
 */
import { createHash } from 'node:crypto'
import { type FileHandle, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { type FoundBlob, openBlobFile, readBlob } from '../blob-store.ts'
import { type Digest, formatCid, sha256Of } from '../digest.ts'
import { StrataError } from '../errors.ts'
import { compileTar } from '../import/compile-tar.ts'
import { publishIndex } from '../import/import-layer.ts'
import { marksOnTree } from '../import/marks-collector.ts'
import { inodeFinder, placementOf } from '../import/placement.ts'
import { UNLIMITED } from '../limits.ts'
import { readLayer, readSidecar } from '../manifests.ts'
import type { LayerManifest } from '../module/layer-manifest.ts'
import type { Store } from '../store.ts'
import { dataPath, indexPath } from '../store-layout.ts'
import { exists } from '../temporary-file.ts'
import { decodeIndex, type LayerIndex } from './layer-index.ts'
import { type Profile, profileKey } from './profile.ts'
import { readRecipe } from './recipe.ts'

export interface LayerObject {
  layer: CID
  index: LayerIndex
  /** Open for reading; whoever asked for the object closes it. */
  data: FileHandle
  dataPath: string
}

/**
 * The object of a layer, compiled first when no store has it. The index is checked against its hash; of the data
 * file only the size (spec/store-layout.md#trust).
 * @throws StrataError BLOB_MISSING, BLOB_CORRUPT, OBJECT_CORRUPT
 */
export async function openObject(
  store: Store,
  layer: CID,
  profile: Profile = store.profile
): Promise<LayerObject> {
  const manifest = await readLayer(store, layer)
  const found = await findObject(store, layer, manifest, profile)
  if (found !== undefined) return found
  await compileLayer(store, layer, manifest, profile)
  const compiled = await findObject(store, layer, manifest, profile)
  if (compiled !== undefined) return compiled
  throw new StrataError('OBJECT_CORRUPT', {
    message: `layer ${formatCid(layer)} was compiled for ${profileKey(profile)}, but is not there`,
    hint: 'compose fsck'
  })
}

async function findObject(
  store: Store,
  layer: CID,
  { tar }: LayerManifest,
  profile: Profile
): Promise<LayerObject | undefined> {
  for (const { root } of store.searched) {
    const path = join(root, indexPath(sha256Of(layer), profile))
    const data = join(root, dataPath(sha256Of(tar), profile))
    if (!(await exists(path)) || !(await exists(data))) continue
    const index = await readIndex(path)
    return { layer, index, data: await openData(data, index), dataPath: data }
  }
}

/** @throws StrataError OBJECT_CORRUPT */
export async function readIndex(path: string): Promise<LayerIndex> {
  const file = await openBlobFile(path)
  try {
    return decodeIndex(await file.readFile())
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw corruptObject(`index ${path} is damaged: ${cause.message}`, path, cause)
  } finally {
    await file.close()
  }
}

async function openData(path: string, { dataBytes }: LayerIndex): Promise<FileHandle> {
  const file = await openBlobFile(path)
  const status = await file.stat()
  if (status.isFile() && status.size === dataBytes) return file
  await file.close()
  throw corruptObject(`data file ${path} has ${status.size} bytes, its index says ${dataBytes}`, path)
}

/**
 * Read a data file whole.
 * @throws StrataError OBJECT_CORRUPT when it is not the one that the index was made with
 */
export async function verifyDataFile(
  path: string,
  { dataBytes, dataSha256 }: Pick<LayerIndex, 'dataBytes' | 'dataSha256'>,
  onBytes: (bytes: number) => void = () => {}
): Promise<void> {
  const file = await openBlobFile(path)
  try {
    const hash = createHash('sha256')
    let bytes = 0
    for await (const chunk of file.createReadStream({ start: 0, autoClose: false, highWaterMark: 1 << 20 })) {
      hash.update(chunk)
      bytes += chunk.length
      onBytes(chunk.length)
    }
    const found = hash.digest()
    if (found.equals(dataSha256) && bytes === dataBytes) return
    const [is, wanted] = [found, dataSha256].map(digest => digest.toString('hex'))
    throw corruptObject(`data file ${path} hashes to sha256:${is}, its index says ${wanted}`, path)
  } finally {
    await file.close()
  }
}

const corruptObject = (message: string, file: string, cause?: unknown): StrataError =>
  new StrataError('OBJECT_CORRUPT', { message, facts: { file }, hint: 'compose fsck --repair', cause })

/** Bytes of a tarball, and of the packed contents that it shares with its object. */
export async function readRecipeSizes(
  { encoding, path, store }: FoundBlob,
  digest: Digest
): Promise<{ tarBytes?: number; dataBytes?: number }> {
  if (encoding !== '.recipe') return {}
  const file = await openBlobFile(path)
  try {
    const { sizeBytes, profile } = await readRecipe(file)
    return { tarBytes: sizeBytes, dataBytes: (await stat(join(store.root, dataPath(digest, profile)))).size }
  } finally {
    await file.close()
  }
}

/** Compile a layer that is in the store for a profile. @throws StrataError */
export async function compileLayer(
  store: Store,
  layer: CID,
  manifest: LayerManifest,
  profile: Profile
): Promise<void> {
  const tar: Digest = sha256Of(manifest.tar)
  const placement = placementOf(manifest)
  const name = `tarball sha256:${tar}`
  const compiled = await compileTar(store.root, profile, {
    name,
    chunks: readBlob(store, tar),
    limits: UNLIMITED,
    placement
  })
  try {
    const sidecar = await readSidecar(store, manifest)
    const marks = marksOnTree(sidecar?.entries ?? [], inodeFinder(compiled.tree, placement), name)
    await compiled.dataFile.publish(join(store.root, dataPath(tar, profile)))
    await publishIndex(store.root, profile, layer, compiled, marks)
  } finally {
    await compiled.dataFile.discard()
    await compiled.recipeFile.discard()
  }
}
