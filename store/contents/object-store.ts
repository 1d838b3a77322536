/**
 * Reads layers that were compiled for linking: a tree index and the data file to which it points
 * (spec/store-layout.md#objects). store/import/layer-object.ts compiles those that no store has.
 */
import { fstatSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { CID } from 'multiformats/cid'
import type { OpenFile } from '../disk/index.ts'
import {
  dataPath,
  indexPath,
  openStoreFile,
  openStoreFileIfThere,
  type Store,
  type StorePath,
  storeFolder
} from '../files/index.ts'
import type { LayerManifest } from '../module/index.ts'
import {
  checkIndex,
  checkListingHashes,
  dataSha256Of,
  decodeIndex,
  HEADER_BYTES,
  hashOfIndex,
  type LayerIndex,
  readRecipe
} from '../object/index.ts'
import { type Digest, type Profile, profileKey, StrataError, sha256Of } from '../values/index.ts'
import { nameBlobIn } from './blob-denied.ts'
import { DataFile } from './data-file.ts'
import type { FoundBlob } from './find-blob.ts'
import { isOwnCheck, noteOwnCheck } from './own-checks.ts'

/** Checking a smaller index takes less time than reading the file of own checks. */
const SMALL_INDEX_BYTES = 1 << 16

export interface LayerObject {
  layer: CID
  manifest: LayerManifest
  index: LayerIndex
  /** The caller closes it. */
  data: DataFile
  storeRoot: string
  indexPath: StorePath
}

/** A layer's object, open but not read yet. */
export interface ObjectFiles extends Omit<LayerObject, 'index'> {
  indexFile: OpenFile
  /** The expected hash of the data file, if the index is sound. */
  dataSha256: Buffer
}

/**
 * Reads the object from its open files. The index is checked against its hash. The data file is hashed only if it is
 * not the one that was checked last (spec/store-layout.md#trust), and stays open.
 * @throws StrataError OBJECT_CORRUPT; both files are closed then
 */
export async function readObject(files: ObjectFiles): Promise<LayerObject> {
  const { indexFile, ...rest } = files
  const { storeRoot, indexPath, data } = rest
  try {
    const index = await decodeFile(indexFile, showFile(storeRoot, indexPath))
    await data.check(index)
    return { ...rest, index }
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

/**
 * The object in the first store that has both files of a layer for this profile, if they are accepted.
 * @throws StrataError BLOB_CORRUPT, ACCESS_DENIED
 */
export async function findObject(
  store: Store,
  layer: CID,
  manifest: LayerManifest,
  profile: Profile,
  isAccepted: (files: ObjectFiles) => Promise<boolean>
): Promise<ObjectFiles | undefined> {
  for (const { root } of store.searched) {
    const paths = {
      indexPath: indexPath(sha256Of(layer), profile),
      dataPath: dataPath(sha256Of(manifest.tar), profile)
    }
    const opened = await openFiles(root, paths).catch(error => {
      throw nameBlobIn(store, sha256Of(layer), error)
    })
    if (opened === undefined) continue
    const files = { layer, manifest, storeRoot: root, indexPath: paths.indexPath, ...opened }
    if (await acceptOrClose(files, isAccepted)) return files
  }
}

async function acceptOrClose(
  files: ObjectFiles,
  isAccepted: (files: ObjectFiles) => Promise<boolean>
): Promise<boolean> {
  try {
    if (await isAccepted(files)) return true
  } catch (error) {
    await closeObjectFiles(files)
    throw error
  }
  await closeObjectFiles(files)
  return false
}

/** Opens both files; undefined if one of them does not exist. */
async function openFiles(
  root: string,
  { indexPath, dataPath }: { indexPath: StorePath; dataPath: StorePath }
): Promise<Pick<ObjectFiles, 'indexFile' | 'data' | 'dataSha256'> | undefined> {
  const indexFile = await openStoreFileIfThere(root, indexPath)
  if (indexFile === undefined) return undefined
  try {
    const data = await DataFile.openIfThere(root, dataPath)
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
 * @param options.afresh check all of it, even if an earlier command of this user did
 * @throws StrataError OBJECT_CORRUPT; as openStoreFile
 */
export async function readIndex(
  storeRoot: string,
  path: StorePath,
  options: { afresh?: boolean } = {}
): Promise<LayerIndex> {
  const file = await openStoreFile(storeRoot, path)
  try {
    return await decodeFile(file, showFile(storeRoot, path), options)
  } finally {
    await file.close()
  }
}

async function decodeFile(
  file: OpenFile,
  path: string,
  { afresh = false }: { afresh?: boolean } = {}
): Promise<LayerIndex> {
  const bytes = await readInOneCall(file)
  const index = nameIndexIn(path, () => {
    const decoded = decodeIndex(bytes)
    const [folder, found] = [basename(dirname(dirname(path))), profileKey(decoded.profile)]
    if (found !== folder)
      throw new RangeError(`it is of the profile ${found}, and lies among those of ${folder}`)
    return decoded
  })
  const isSmall = bytes.length < SMALL_INDEX_BYTES
  const check = `index ${hashOfIndex(bytes).toString('hex')}`
  if (!afresh && !isSmall && isOwnCheck(check)) return index
  nameIndexIn(path, () => {
    checkIndex(index)
    if (afresh) checkListingHashes(index)
  })
  if (!afresh && !isSmall) noteOwnCheck(check)
  return index
}

/** Names the index in errors. @param check throws a RangeError for a faulty index */
function nameIndexIn<T>(path: string, check: () => T): T {
  try {
    return check()
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw corruptObject(`index ${path} is damaged: ${cause.message}`, path, cause)
  }
}

/** Reads a file in one call; `readFile` would make one for each half a megabyte. */
async function readInOneCall(file: OpenFile): Promise<Buffer> {
  const { size } = fstatSync(file.fd)
  const bytes = Buffer.allocUnsafeSlow(size) // with memory of its own, because columns are read in place
  const { bytesRead } = await file.read(bytes, 0, size, 0)
  return bytesRead === size ? bytes : await file.readFile()
}

/** Reads an index from its open file, which stays open. @throws StrataError OBJECT_CORRUPT */
export const readOpenIndex = ({ indexFile, storeRoot, indexPath }: ObjectFiles): Promise<LayerIndex> =>
  decodeFile(indexFile, showFile(storeRoot, indexPath))

const showFile = (storeRoot: string, path: StorePath): string => storeFolder(storeRoot).displayPath(path)

const corruptObject = (message: string, file: string, cause?: unknown): StrataError =>
  new StrataError('OBJECT_CORRUPT', { message, facts: { file }, hint: 'compose fsck --repair', cause })

/** Sizes of a tarball, and of the packed contents that it shares with its object. */
export async function readRecipeSizes(
  { encoding, path, store }: FoundBlob,
  digest: Digest
): Promise<{ tarBytes?: number; dataBytes?: number }> {
  if (encoding !== '.recipe') return {}
  const file = await openStoreFile(store.root, path)
  try {
    const { sizeBytes, profile } = await readRecipe(file)
    const data = await DataFile.openIfThere(store.root, dataPath(digest, profile))
    await data?.close()
    return { tarBytes: sizeBytes, dataBytes: data?.list.dataBytes }
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new StrataError('BLOB_CORRUPT', {
      message: `blob sha256:${digest} is damaged: ${cause.message}`,
      facts: { file: showFile(store.root, path) },
      hint: 'compose fsck --repair, with stores that have it whole on COMPOSE_PATH',
      cause
    })
  } finally {
    await file.close()
  }
}
