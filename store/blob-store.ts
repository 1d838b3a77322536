/**
 * Blobs: bytes under their SHA-256, whatever way they are kept. Every byte that is read is checked against the name
 * before the reader is told that the blob has ended well.
 */
import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream'
import { compress, DecompressStream } from 'zstd-napi'
import { type Digest, digestOf } from './digest.ts'
import { StrataError } from './errors.ts'
import { writeFully } from './object/hashed-file.ts'
import { cook, readRecipe } from './object/recipe.ts'
import type { Store, StoreRoot } from './store.ts'
import { BLOB_ENCODINGS, type BlobEncoding, blobPath, dataPath } from './store-layout.ts'
import { exists, TemporaryFile } from './temporary-file.ts'

export interface FoundBlob {
  store: StoreRoot
  encoding: BlobEncoding
  /** Absolute. */
  path: string
}

const ZSTD_LEVEL = 9
/** Below this, a zstd frame saves no disk block. */
const WORTH_PACKING_BYTES = 4096
/** Manifests are read whole. */
const MAX_WHOLE_BYTES = 2 ** 30

/** Where a blob is: the first of the stores that has it. */
export async function findBlob(store: Store, digest: Digest): Promise<FoundBlob | undefined> {
  for (const root of store.searched)
    for (const encoding of BLOB_ENCODINGS) {
      const path = join(root.root, blobPath(digest, encoding))
      if (await exists(path)) return { store: root, encoding, path }
    }
}

/**
 * Make bytes available under their digest. Calling twice is fine, and heals a blob that is damaged; after a crash the
 * blob is whole or absent.
 */
export async function putBlob(store: Store, bytes: Uint8Array): Promise<Digest> {
  const digest = digestOf(bytes)
  const own = { ...store, searched: [store] }
  const found = await findBlob(own, digest)
  if (found !== undefined && (await isIntact(own, digest))) return digest
  const packed =
    bytes.length < WORTH_PACKING_BYTES
      ? bytes
      : compress(Buffer.from(bytes), { compressionLevel: ZSTD_LEVEL })
  const isPacked = packed.length < bytes.length
  const file = await TemporaryFile.create(store.root)
  try {
    await writeFully(file.handle, isPacked ? packed : bytes, 0)
    const path = join(store.root, blobPath(digest, isPacked ? '.zst' : ''))
    if (found === undefined) await file.publish(path)
    else await file.replace(path)
  } finally {
    await file.discard()
  }
  return digest
}

/**
 * The bytes of a blob, in pieces; a piece is valid until the next is asked for.
 * @throws StrataError BLOB_MISSING at once; BLOB_CORRUPT at the latest after the last piece
 */
export async function* readBlob(store: Store, digest: Digest): AsyncGenerator<Uint8Array> {
  const found = await findBlob(store, digest)
  if (found === undefined) throw missing(store, digest)
  const hash = createHash('sha256')
  try {
    for await (const piece of decoded(found, digest)) {
      hash.update(piece)
      yield piece
    }
  } catch (error) {
    throw isSystemError(error) ? error : corrupt(found, digest, (error as Error).message, error)
  }
  const actual = hash.digest('hex')
  if (actual !== digest) throw corrupt(found, digest, `its bytes hash to sha256:${actual}`)
}

/** Whether a blob can be read to its end. @throws what is no fault of the blob: no permission, a disk error */
async function isIntact(store: Store, digest: Digest): Promise<boolean> {
  try {
    for await (const _piece of readBlob(store, digest));
    return true
  } catch (error) {
    if (error instanceof StrataError) return false
    throw error
  }
}

/** A whole blob: for manifests. @throws StrataError as readBlob, and BLOB_CORRUPT for one of more than 1 GiB */
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

async function* decoded({ store, encoding, path }: FoundBlob, digest: Digest): AsyncGenerator<Uint8Array> {
  const file = await openBlobFile(path)
  try {
    if (encoding === '.recipe') {
      const recipe = await readRecipe(file)
      const data = await openContents(join(store.root, dataPath(digest, recipe.profile)), digest)
      try {
        yield* cook(recipe, file, data.fd)
      } finally {
        await data.close()
      }
    } else {
      const stream = file.createReadStream({ start: 0, autoClose: false, highWaterMark: 1 << 18 })
      yield* encoding === '' ? stream : pipeline(stream, new DecompressStream(), () => {}) // errors arrive at the reader
    }
  } finally {
    await file.close()
  }
}

/** A blob's name is never followed through a link. */
export const openBlobFile = (path: string): Promise<FileHandle> =>
  open(path, constants.O_RDONLY | constants.O_NOFOLLOW)

/** @throws StrataError BLOB_MISSING: half of a tarball is none */
const openContents = (path: string, digest: Digest): Promise<FileHandle> =>
  openBlobFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
    throw new StrataError('BLOB_MISSING', {
      message: `the file contents of tarball sha256:${digest} are missing`,
      facts: { file: path },
      hint: 'import the tarball again; compose fsck says which modules need it',
      cause: error
    })
  })

const isSystemError = (error: unknown): boolean =>
  error instanceof StrataError || typeof (error as NodeJS.ErrnoException).syscall === 'string'

const missing = (store: Store, digest: Digest): StrataError =>
  new StrataError('BLOB_MISSING', {
    message: `blob sha256:${digest} is in none of the stores`,
    facts: { stores: store.searched.map(({ root }) => root) },
    hint: 'compose fsck says which modules need it; COMPOSE_PATH names further stores'
  })

const corrupt = (found: FoundBlob, digest: Digest, what: string, cause?: unknown): StrataError =>
  new StrataError('BLOB_CORRUPT', {
    message: `blob sha256:${digest} is damaged: ${what}`,
    facts: { file: found.path },
    hint: 'compose fsck',
    cause
  })
