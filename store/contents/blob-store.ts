/**
 * Blobs: bytes under their SHA-256, in any of their forms. Every byte that is read is checked against the name before
 * the reader is told that the blob is complete.
 */
import { createHash } from 'node:crypto'
import { fstatSync } from 'node:fs'
import { pipeline } from 'node:stream'
import { compress, DecompressStream } from 'zstd-napi'
import type { OpenFile } from '../disk/index.ts'
import {
  BLOB_ENCODINGS,
  blobPath,
  dataPath,
  EVERYONE,
  type FileAccess,
  openStoreFileIfThere,
  parentOf,
  type Store,
  storeFolder,
  TemporaryFile,
  touchFiles
} from '../files/index.ts'
import { type Belief, readRecipe, reconstructTar, writeFully } from '../object/index.ts'
import { type Digest, digestOf, type Profile, StrataError } from '../values/index.ts'
import { nameBlobIn } from './blob-denied.ts'
import { DataFile } from './data-file.ts'
import { type FoundBlob, findBlob } from './find-blob.ts'

const ZSTD_LEVEL = 9
/** Below this size, a zstd frame saves no disk block. */
const WORTH_PACKING_BYTES = 4096
const PIECE_BYTES = 1 << 18
/** Limit for blobs that are read whole: manifests. */
const MAX_WHOLE_BYTES = 2 ** 30

interface OpenBlob extends FoundBlob {
  file: OpenFile
}

/** @throws as openStoreFile */
async function openBlob(store: Store, digest: Digest): Promise<OpenBlob | undefined> {
  for (const root of store.searched)
    for (const encoding of BLOB_ENCODINGS) {
      const path = blobPath(digest, encoding)
      const file = await openStoreFileIfThere(root.root, path)
      if (file !== undefined) return { store: root, encoding, path, file }
    }
}

/**
 * Looks for a blob again. NFS clients remember for up to a minute that a file is missing, and opening its folder makes
 * them ask the server (spec/store-layout.md#nfs). This is needed for records that were just published elsewhere, and
 * for blobs that `compose gc` had moved aside.
 */
async function openBlobAnew(store: Store, digest: Digest): Promise<OpenBlob | undefined> {
  for (const { root } of store.searched) storeFolder(root).askAnew(parentOf(blobPath(digest, '')))
  return openBlob(store, digest)
}

/**
 * Makes bytes available under their digest. Calling twice is fine, and repairs a damaged blob. After a crash the blob
 * is whole or absent.
 * @param access for a new file
 */
export async function putBlob(
  store: Store,
  bytes: Uint8Array,
  access: FileAccess = EVERYONE
): Promise<Digest> {
  const digest = digestOf(bytes)
  const own = { ...store, searched: [store] }
  const found = findBlob(own, digest)
  const isReused = found !== undefined && (await seemsIntact(own, digest))
  if (isReused && touchFiles(store.root, [found.path]).length === 0) return digest
  const packed =
    bytes.length < WORTH_PACKING_BYTES
      ? bytes
      : compress(Buffer.from(bytes), { compressionLevel: ZSTD_LEVEL })
  const isPacked = packed.length < bytes.length
  const file = TemporaryFile.create(store.root)
  try {
    await writeFully(file.handle, isPacked ? packed : bytes, 0)
    const path = blobPath(digest, isPacked ? '.zst' : '')
    if (found === undefined) await file.publish(path, access)
    else await file.replace(path, access)
  } finally {
    await file.discard()
  }
  return digest
}

/**
 * The bytes of a blob, in pieces; a piece is valid until the next is asked for.
 * @param belief `none` also compares each part with its name: zstd unpacks some damaged bytes as if they were right
 * @throws StrataError BLOB_MISSING, ACCESS_DENIED at once; BLOB_CORRUPT at the latest after the last piece
 */
export async function* readBlob(
  store: Store,
  digest: Digest,
  belief: Belief = 'all'
): AsyncGenerator<Uint8Array> {
  const open = async () => (await openBlob(store, digest)) ?? (await openBlobAnew(store, digest))
  const found = await open().catch(error => {
    throw nameBlobIn(store, digest, error)
  })
  if (found === undefined) throw missingBlob(store, digest)
  try {
    yield* checkBytes(store, found, digest, belief)
  } finally {
    await found.file.close()
  }
}

async function* checkBytes(
  store: Store,
  found: OpenBlob,
  digest: Digest,
  belief: Belief
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  try {
    for await (const piece of decodeBlob(found, digest, belief)) {
      hash.update(piece)
      yield piece
    }
  } catch (error) {
    if (!isSystemError(error) || isDamagedPart(error))
      throw corruptBlob(found, digest, (error as Error).message, error)
    throw nameBlobIn(store, digest, error)
  }
  const actual = hash.digest('hex')
  if (actual !== digest) throw corruptBlob(found, digest, `its bytes hash to sha256:${actual}`)
}

/**
 * True if no fault of a blob is known: it can be read to its end, or we may not read it.
 * @throws errors that are not faults of the blob, such as a disk error
 */
async function seemsIntact(store: Store, digest: Digest): Promise<boolean> {
  try {
    for await (const _piece of readBlob(store, digest));
    return true
  } catch (error) {
    if (error instanceof StrataError) return error.code === 'ACCESS_DENIED'
    throw error
  }
}

/** A whole blob, for manifests. @throws StrataError as readBlob, and LIMIT_EXCEEDED for one of more than 1 GiB */
export async function readWholeBlob(store: Store, digest: Digest): Promise<Buffer> {
  const pieces: Buffer[] = []
  let sizeBytes = 0
  for await (const piece of readBlob(store, digest)) {
    sizeBytes += piece.length
    if (sizeBytes > MAX_WHOLE_BYTES)
      throw new StrataError('LIMIT_EXCEEDED', { message: `manifest sha256:${digest} is larger than 1 GiB` })
    pieces.push(Buffer.from(piece))
  }
  return Buffer.concat(pieces)
}

async function* decodeBlob(
  { store, encoding, file }: OpenBlob,
  digest: Digest,
  belief: Belief
): AsyncGenerator<Uint8Array> {
  if (encoding === '.recipe') {
    const recipe = await readRecipe(file)
    const data = await openContents(store.root, digest, recipe.profile, belief)
    try {
      if (!data.list.dataSha256.equals(recipe.dataSha256))
        throw new RangeError(`its recipe names another data file than ${data.shownPath}`)
      yield* reconstructTar(recipe, file, data.parts)
    } finally {
      await data.close()
    }
  } else if (encoding === '') {
    yield* plainBytes(file)
  } else {
    const stream = file.createReadStream({ start: 0, autoClose: false, highWaterMark: PIECE_BYTES })
    yield* pipeline(stream, new DecompressStream(), () => {}) // the reader gets the errors
  }
}

/** Most uncompressed blobs are manifests of one piece, for which starting a stream takes longer than reading. */
async function* plainBytes(file: OpenFile): AsyncGenerator<Uint8Array> {
  const { size } = fstatSync(file.fd)
  const room = Buffer.allocUnsafe(Math.min(size, PIECE_BYTES))
  for (let position = 0; position < size; ) {
    const { bytesRead } = await file.read(room, 0, room.length, position)
    if (bytesRead === 0) return
    position += bytesRead
    yield room.subarray(0, bytesRead)
  }
}

/**
 * Opens the data file of a tarball. The tarball's hash proves its bytes, so its parts need no check of their own.
 * @throws StrataError BLOB_MISSING: a tarball needs its contents
 */
async function openContents(
  storeRoot: string,
  digest: Digest,
  profile: Profile,
  belief: Belief
): Promise<DataFile> {
  const path = dataPath(digest, profile)
  const data = await DataFile.openIfThere(storeRoot, path, belief)
  if (data !== undefined) return data
  throw new StrataError('BLOB_MISSING', {
    message: `the file contents of tarball sha256:${digest} are missing`,
    facts: { file: storeFolder(storeRoot).displayPath(path) },
    hint: 'import the tarball again; compose fsck says which modules need it'
  })
}

const isDamagedPart = (error: unknown): boolean =>
  error instanceof StrataError && error.code === 'OBJECT_CORRUPT'

const isSystemError = (error: unknown): boolean =>
  error instanceof StrataError || typeof (error as NodeJS.ErrnoException).syscall === 'string'

const missingBlob = (store: Store, digest: Digest): StrataError =>
  new StrataError('BLOB_MISSING', {
    message: `blob sha256:${digest} is in none of the stores`,
    facts: { stores: store.searched.map(({ root }) => root) },
    hint: 'compose fsck says which modules need it; COMPOSE_PATH names further stores'
  })

const corruptBlob = (found: FoundBlob, digest: Digest, what: string, cause?: unknown): StrataError =>
  new StrataError('BLOB_CORRUPT', {
    message: `blob sha256:${digest} is damaged: ${what}`,
    facts: { file: storeFolder(found.store.root).displayPath(found.path) },
    hint: 'compose fsck --repair, with stores that have it whole on COMPOSE_PATH',
    cause
  })
