/**
 * Copies a damaged or missing blob from another store. Its files are copied, the copies are checked against the blob's
 * name, and only then do they replace the damaged ones (spec/store-layout.md#repair).
 */
import { createHash } from 'node:crypto'
import { closeSync } from 'node:fs'
import { pipeline } from 'node:stream'
import { DecompressStream } from 'zstd-napi'
import { checkPart, DataFile, openPart } from '../contents/index.ts'
import type { OpenFile } from '../disk/index.ts'
import {
  BLOB_ENCODINGS,
  type BlobEncoding,
  blobPath,
  dataPath,
  EVERYONE,
  type FileAccess,
  intersectionOf,
  openStoreFile,
  partPath,
  readAccess,
  type Store,
  type StorePath,
  type StoreRoot,
  storeFolder,
  TemporaryFile
} from '../files/index.ts'
import {
  encodePartList,
  type Part,
  type Recipe,
  readRecipe,
  reconstructTar,
  writeFully
} from '../object/index.ts'
import { type Digest, isDenied, StrataError } from '../values/index.ts'

/**
 * @returns root of the store from which it was copied; undefined if no other store has it whole, or lets us read it
 * @throws errors that are not faults of another store: a full disk, no permission to write
 */
export async function refetchBlob(store: Store, digest: Digest): Promise<string | undefined> {
  for (const other of store.searched.filter(({ root }) => root !== store.root))
    for (const encoding of BLOB_ENCODINGS)
      if (await copyBlob(other, store, digest, encoding)) return other.root
}

/**
 * Copies a damaged or missing part from another store.
 * @returns root of the store from which it was copied; undefined if no other store has it whole, or lets us read it
 */
export async function refetchPart(store: Store, part: Part): Promise<string | undefined> {
  for (const other of store.searched.filter(({ root }) => root !== store.root))
    if (await copyPart(other, store, part)) return other.root
}

async function copyBlob(
  from: StoreRoot,
  to: StoreRoot,
  digest: Digest,
  encoding: BlobEncoding
): Promise<boolean> {
  const blob = await copyFile(from.root, blobPath(digest, encoding), to.root)
  if (blob === undefined) return false
  try {
    const isCopied =
      encoding === '.recipe' ? copyData(from, to, digest, blob) : isWhole(digest, encoding, blob.file)
    if (!(await isCopied)) return false
    await replace(blob, to, blobPath(digest, encoding))
    removeOthers(to, digest, encoding)
    return true
  } finally {
    await blob.file.discard()
  }
}

/**
 * Copies the data file of a tarball before the recipe that names it, if both are whole.
 * @param copy of the recipe
 */
async function copyData(from: StoreRoot, to: StoreRoot, digest: Digest, copy: Copy): Promise<boolean> {
  const recipe = await recipeOf(copy.file)
  if (recipe === undefined) return false
  const path = dataPath(digest, recipe.profile)
  const data = await DataFile.openIfThere(from.root, path, 'none').catch(() => undefined)
  if (data === undefined) return false
  const list = TemporaryFile.create(to.root)
  try {
    if (!(await isWholeTarball(digest, copy.file, recipe, data))) return false
    for (const part of data.list.parts) if (!(await hasPart(from, to, part))) return false
    await writeFully(list.handle, encodePartList(data.list), 0)
    await replace({ file: list, access: copy.access }, to, path)
    return true
  } finally {
    await data.close()
    await list.discard()
  }
}

/** Copies the part unless it is here and whole. */
async function hasPart(from: StoreRoot, to: StoreRoot, part: Part): Promise<boolean> {
  try {
    closeSync(openPart(to.root, part, 'none').fd)
    return true
  } catch (error) {
    if (!(error instanceof StrataError) || isDenied(error)) throw error
    return copyPart(from, to, part)
  }
}

async function copyPart(from: StoreRoot, to: StoreRoot, part: Part): Promise<boolean> {
  const path = partPath(part.sha256)
  const copy = await copyFile(from.root, path, to.root)
  if (copy === undefined) return false
  try {
    if (!(await isIntact(async () => checkPart(copy.file.handle.fd, part, path) >= 0))) return false
    await replace(copy, to, path)
    return true
  } finally {
    await copy.file.discard()
  }
}

/** A file that is being copied, with the access of its original. */
interface Copy {
  file: TemporaryFile
  access: FileAccess
}

/** @returns undefined if it does not exist, cannot be read, or is not sound */
async function copyFile(fromRoot: string, path: StorePath, toRoot: string): Promise<Copy | undefined> {
  const source = await openStoreFile(fromRoot, path).catch(() => undefined)
  if (source === undefined) return undefined
  const copy = TemporaryFile.create(toRoot)
  try {
    let position = 0
    for await (const piece of readPieces(source)) {
      await writeFully(copy.handle, piece, position)
      position += piece.length
    }
    return { file: copy, access: readAccess(source.fd).access }
  } catch (error) {
    await copy.discard()
    if (error instanceof UnreadableError) return undefined
    throw error
  } finally {
    await source.close()
  }
}

class UnreadableError extends Error {}

/** Pieces of a file. A disk error of the other store gets an error of its own, to tell it from one of ours. */
async function* readPieces(file: OpenFile): AsyncGenerator<Uint8Array> {
  try {
    yield* streamOf(file)
  } catch (cause) {
    throw new UnreadableError('another store cannot be read', { cause })
  }
}

const streamOf = (file: OpenFile) =>
  file.createReadStream({ start: 0, autoClose: false, highWaterMark: 1 << 18 })

const recipeOf = (file: TemporaryFile): Promise<Recipe | undefined> =>
  readRecipe(file.handle).catch(error => {
    if (isSystemError(error)) throw error
    return undefined
  })

async function isWholeTarball(
  digest: Digest,
  { handle }: TemporaryFile,
  recipe: Recipe,
  data: DataFile
): Promise<boolean> {
  return isIntact(async () => {
    await data.verify({ dataSha256: recipe.dataSha256 })
    return (await hashPieces(reconstructTar(recipe, handle, data.parts))) === digest
  })
}

const isWhole = (digest: Digest, encoding: BlobEncoding, { handle }: TemporaryFile): Promise<boolean> =>
  isIntact(async () => {
    const bytes = streamOf(handle)
    const decoded = encoding === '' ? bytes : pipeline(bytes, new DecompressStream(), () => {})
    return (await hashPieces(decoded)) === digest
  })

async function isIntact(check: () => Promise<boolean>): Promise<boolean> {
  try {
    return await check()
  } catch (error) {
    if (isSystemError(error)) throw error
    return false
  }
}

async function hashPieces(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of pieces) hash.update(piece)
  return hash.digest('hex')
}

const isSystemError = (error: unknown): boolean =>
  !(error instanceof StrataError) && typeof (error as NodeJS.ErrnoException).syscall === 'string'

/**
 * The access is limited to users who could read the file both here and there: the damaged file here may have been put
 * here to be open.
 */
async function replace({ file, access }: Copy, { root }: StoreRoot, path: StorePath): Promise<void> {
  const here = storeFolder(root).withInode(path, accessOf) ?? EVERYONE
  await file.replace(path, intersectionOf(access, here))
}

function accessOf(fd: number): FileAccess {
  const { access, status } = readAccess(fd)
  return (status.mode & 0o170000) === 0o100000 ? access : []
}

/** Removes the blob's files in other forms, which readers would find instead. */
function removeOthers({ root }: StoreRoot, digest: Digest, kept: BlobEncoding): void {
  for (const encoding of BLOB_ENCODINGS)
    if (encoding !== kept) storeFolder(root).remove(blobPath(digest, encoding))
}
