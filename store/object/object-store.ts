/**
 * Layers compiled for linking: a tree index and the data file that it points into (spec/store-layout.md#objects). A
 * cache: what is missing is compiled again from the tarball and the sidecar, to the same bytes.
 */
import { fstatSync } from 'node:fs'
import { type FileHandle, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { explainDenial, isDenied } from '../access/denied.ts'
import { accessOfLayer } from '../access/layer-access.ts'
import { openStoreFile, openStoreFileIfThere } from '../access/open-file.ts'
import { type FoundBlob, readBlob } from '../blob-store.ts'
import { type Digest, formatCid, sha256Of } from '../digest.ts'
import { StrataError } from '../errors.ts'
import { compileTar } from '../import/compile-tar.ts'
import { publishData, publishIndex } from '../import/import-layer.ts'
import { marksOnTree } from '../import/marks-collector.ts'
import { inodeFinder, placementOf } from '../import/placement.ts'
import { UNLIMITED } from '../limits.ts'
import { readLayer, readSidecar } from '../manifests.ts'
import type { LayerManifest } from '../module/layer-manifest.ts'
import type { Store } from '../store.ts'
import { dataPath, indexPath } from '../store-layout.ts'
import { checkIndex } from './check-index.ts'
import { isCheckedIndex, noteCheckedIndex } from './checked-indexes.ts'
import { isAsChecked, noteChecked } from './data-identity.ts'
import { type FileHash, hashFile } from './hashed-file.ts'
import { dataSha256Of, decodeIndex, HEADER_BYTES, hashOfIndex, type LayerIndex } from './layer-index.ts'
import { checkListingHashes } from './listing-hashes.ts'
import { type Profile, profileKey } from './profile.ts'
import { readRecipe } from './recipe.ts'

export interface LayerObject {
  layer: CID
  index: LayerIndex
  /** Open for reading; whoever asked for the object closes it. */
  data: FileHandle
  dataPath: string
  indexPath: string
}

/** A layer's object, open, and not read yet. */
export interface ObjectFiles extends Pick<LayerObject, 'layer' | 'data' | 'dataPath' | 'indexPath'> {
  storeRoot: string
  indexFile: FileHandle
  /** What the data file is to hash to, if the index is sound. */
  dataSha256: Buffer
}

/**
 * The object of a layer, compiled first when no store has it. The index is checked against its hash, the data file
 * only if it is not the one that was checked last (spec/store-layout.md#trust).
 * @throws StrataError BLOB_MISSING, BLOB_CORRUPT, OBJECT_CORRUPT; ACCESS_DENIED naming the module and its groups
 */
export const openObject = async (
  store: Store,
  layer: CID,
  profile: Profile = store.profile
): Promise<LayerObject> => readObject(await openObjectFiles(store, layer, profile))

/** The first half of `openObject`. Whoever asked for it closes both files, or has it read. @throws as openObject */
export async function openObjectFiles(store: Store, layer: CID, profile: Profile): Promise<ObjectFiles> {
  const manifest = await readLayer(store, layer)
  const found = await findObject(store, layer, manifest, profile).catch(async error => {
    throw isDenied(error) ? await explainDenial(store, sha256Of(layer), error) : error
  })
  if (found !== undefined) return found
  await inTurn(() => compileLayer(store, layer, manifest, profile))
  const compiled = await findObject(store, layer, manifest, profile)
  if (compiled !== undefined) return compiled
  throw new StrataError('OBJECT_CORRUPT', {
    message: `layer ${formatCid(layer)} was compiled for ${profileKey(profile)}, but is not there`,
    hint: 'compose fsck'
  })
}

/** The second half. Of the files the data file stays open. @throws StrataError OBJECT_CORRUPT; both are closed then */
export async function readObject(files: ObjectFiles): Promise<LayerObject> {
  const { layer, storeRoot, indexFile, indexPath, data, dataPath } = files
  try {
    const index = await decodeFile(indexFile, indexPath)
    await checkData(storeRoot, dataPath, data, index)
    return { layer, index, data, dataPath, indexPath }
  } catch (error) {
    await data.close()
    throw error
  } finally {
    await indexFile.close()
  }
}

export async function closeObjectFiles({ indexFile, data }: ObjectFiles): Promise<void> {
  await indexFile.close()
  await data.close()
}

let lastTurn: Promise<void> = Promise.resolve()

/** Layers are opened side by side, but one that is compiled keeps all cores busy. */
function inTurn(work: () => Promise<void>): Promise<void> {
  const turn = lastTurn.then(work)
  lastTurn = turn.catch(() => {})
  return turn
}

async function findObject(
  store: Store,
  layer: CID,
  { tar }: LayerManifest,
  profile: Profile
): Promise<ObjectFiles | undefined> {
  for (const { root } of store.searched) {
    const paths = {
      indexPath: join(root, indexPath(sha256Of(layer), profile)),
      dataPath: join(root, dataPath(sha256Of(tar), profile))
    }
    const opened = await openFiles(root, paths)
    if (opened !== undefined) return { layer, storeRoot: root, ...paths, ...opened }
  }
}

/** Undefined where one of them is not there. */
async function openFiles(
  root: string,
  { indexPath, dataPath }: Pick<ObjectFiles, 'indexPath' | 'dataPath'>
): Promise<Pick<ObjectFiles, 'indexFile' | 'data' | 'dataSha256'> | undefined> {
  const indexFile = await openStoreFileIfThere(root, indexPath)
  if (indexFile === undefined) return undefined
  try {
    const data = await openStoreFileIfThere(root, dataPath)
    if (data !== undefined) {
      const { buffer } = await indexFile.read({ buffer: Buffer.alloc(HEADER_BYTES), position: 0 })
      return { indexFile, data, dataSha256: dataSha256Of(buffer) }
    }
  } catch (error) {
    await indexFile.close()
    throw error
  }
  await indexFile.close()
}

/**
 * @param options.afresh look through all of it, whatever a command of this user may have seen before
 * @throws StrataError OBJECT_CORRUPT; as openStoreFile
 */
export async function readIndex(
  storeRoot: string,
  path: string,
  options: { afresh?: boolean } = {}
): Promise<LayerIndex> {
  const file = await openStoreFile(storeRoot, path)
  try {
    return await decodeFile(file, path, options)
  } finally {
    await file.close()
  }
}

async function decodeFile(
  file: FileHandle,
  path: string,
  { afresh = false }: { afresh?: boolean } = {}
): Promise<LayerIndex> {
  const bytes = await readInOneCall(file)
  const index = namingIndex(path, () => decodeIndex(bytes))
  const sha256 = hashOfIndex(bytes)
  if (!afresh && isCheckedIndex(sha256, bytes.length)) return index
  namingIndex(path, () => {
    checkIndex(index)
    if (afresh) checkListingHashes(index)
  })
  if (!afresh) noteCheckedIndex(sha256, bytes.length)
  return index
}

/** @param check that throws a RangeError */
function namingIndex<T>(path: string, check: () => T): T {
  try {
    return check()
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw corruptObject(`index ${path} is damaged: ${cause.message}`, path, cause)
  }
}

/** `readFile` would take one for each half a megabyte. */
async function readInOneCall(file: FileHandle): Promise<Buffer> {
  const { size } = fstatSync(file.fd)
  const bytes = Buffer.allocUnsafeSlow(size) // at the start of its memory: columns are read in place
  const { bytesRead } = await file.read(bytes, 0, size, 0)
  return bytesRead === size ? bytes : await file.readFile()
}

/** @throws StrataError OBJECT_CORRUPT when a data file is not the one that its index was made with */
async function checkData(
  storeRoot: string,
  path: string,
  file: FileHandle,
  index: LayerIndex
): Promise<void> {
  const { size } = fstatSync(file.fd)
  if (size !== index.dataBytes)
    throw corruptObject(`data file ${path} has ${size} bytes, its index says ${index.dataBytes}`, path)
  if (await isAsChecked(storeRoot, path, file)) return
  await verifyDataFile(file, path, index)
  await noteChecked(storeRoot, path, file)
}

/**
 * All that a plain link takes at its word: the hashes in the index, and the data file, which is read whole.
 * @throws StrataError OBJECT_CORRUPT
 */
export async function verifyObject({ index, indexPath, data, dataPath }: LayerObject): Promise<void> {
  namingIndex(indexPath, () => checkListingHashes(index))
  await verifyDataFile(data, dataPath, index)
}

/**
 * Read a data file whole.
 * @param path for messages
 * @throws StrataError OBJECT_CORRUPT when it is not the one that the index was made with
 */
async function verifyDataFile(
  file: FileHandle,
  path: string,
  index: Pick<LayerIndex, 'dataBytes' | 'dataSha256'>
): Promise<void> {
  assertData(path, await hashFile(file), index)
}

/** @throws StrataError OBJECT_CORRUPT when a data file is not the one that the index was made with */
export function assertData(
  path: string,
  { sizeBytes, sha256 }: FileHash,
  { dataBytes, dataSha256 }: Pick<LayerIndex, 'dataBytes' | 'dataSha256'>
): void {
  if (sha256.equals(dataSha256) && sizeBytes === dataBytes) return
  const [is, wanted] = [sha256, dataSha256].map(digest => digest.toString('hex'))
  throw corruptObject(`data file ${path} hashes to sha256:${is}, its index says ${wanted}`, path)
}

const corruptObject = (message: string, file: string, cause?: unknown): StrataError =>
  new StrataError('OBJECT_CORRUPT', { message, facts: { file }, hint: 'compose fsck --repair', cause })

/** Bytes of a tarball, and of the packed contents that it shares with its object. */
export async function readRecipeSizes(
  { encoding, path, store }: FoundBlob,
  digest: Digest
): Promise<{ tarBytes?: number; dataBytes?: number }> {
  if (encoding !== '.recipe') return {}
  const file = await openStoreFile(store.root, path)
  try {
    const { sizeBytes, profile } = await readRecipe(file)
    return { tarBytes: sizeBytes, dataBytes: (await stat(join(store.root, dataPath(digest, profile)))).size }
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new StrataError('BLOB_CORRUPT', {
      message: `blob sha256:${digest} is damaged: ${cause.message}`,
      facts: { file: path },
      hint: 'compose fsck --repair, with stores that have it whole on COMPOSE_PATH',
      cause
    })
  } finally {
    await file.close()
  }
}

/**
 * Compile a layer that is in the store for a profile. What is made is for those who may read what it is made from.
 * @throws StrataError
 */
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
    const locate = inodeFinder(compiled.tree, placement, compiled.leftOut)
    const marks = marksOnTree(sidecar?.entries ?? [], locate, name)
    const access = await accessOfLayer(store, manifest)
    await publishData(store.root, profile, compiled, access.tar)
    await publishIndex(store.root, profile, layer, compiled, marks, access.index)
  } finally {
    await compiled.dataFile.discard()
    await compiled.recipeFile.discard()
  }
}
