/**
 * Keys and values of the LevelDBs in `index/blocks-*` and `index/own-blocks-*` (spec/index.md#blocks). They say where
 * packed blocks lie. Parts are named by their contents, so an entry never gets wrong, but its part may be gone.
 *
 *   b PROFILE \0 HASH  -> number, offset, stored   a block of this hash lies there
 *   n NUMBER           -> part, length             the part for which the number stands
 *   p PART             -> number                   all blocks of this part are in here
 */
import { KEY_BYTES } from '../object/index.ts'
import type { Digest } from '../values/index.ts'
import type { DatabaseKind } from './database-folder.ts'

/**
 * There may be one key for each 128 KiB of all tarballs. LevelDB's own tables of 2 MiB would be too many files to open;
 * with much larger ones, merging one into the next level takes seconds.
 */
const TABLE_BYTES = 1 << 23

const FORMAT = Buffer.from([1])

/** Blocks of parts that everyone may read. */
export const BLOCKS: DatabaseKind = {
  name: 'blocks',
  format: FORMAT,
  isForAll: true,
  tableBytes: TABLE_BYTES
}

/** Blocks of other parts, for their publisher alone: what is in such a part must not be told to everyone. */
export const OWN_BLOCKS: DatabaseKind = {
  name: 'own-blocks',
  format: FORMAT,
  isForAll: false,
  tableBytes: TABLE_BYTES
}

const DIGEST_BYTES = 32

/** A stored block in a part that has a number. */
export interface NumberedPlace {
  number: number
  /** In the bytes of the part. */
  offset: number
  /** Length, | STORED_RAW. */
  stored: number
}

export interface PartName {
  sha256: Digest
  lengthBytes: number
}

/** Range of the keys of one kind. */
export const BLOCK_KEYS = { gte: Buffer.from('b'), lt: Buffer.from('c') }
export const NUMBER_KEYS = { gte: Buffer.from('n'), lt: Buffer.from('o') }
export const PART_KEYS = { gte: Buffer.from('p'), lt: Buffer.from('q') }

/** Beginning of the keys of a profile. @param profile its folder name, as `zstd-15-128k-1` */
export const blockPrefix = (profile: string): Buffer => Buffer.from(`b${profile}\0`, 'latin1')

/** @param hash SHA-256 of the raw bytes, or its beginning */
export const blockKey = (prefix: Buffer, hash: Uint8Array): Buffer =>
  Buffer.concat([prefix, hash.subarray(0, KEY_BYTES)])

export function encodePlace({ number, offset, stored }: NumberedPlace): Buffer {
  const value = Buffer.allocUnsafe(12)
  value.writeUInt32BE(number)
  value.writeUInt32BE(offset, 4)
  value.writeUInt32BE(stored, 8)
  return value
}

/** @throws RangeError */
export function decodePlace(value: Uint8Array): NumberedPlace {
  const bytes = viewOf(value, 12, 'place of a block')
  return { number: bytes.readUInt32BE(), offset: bytes.readUInt32BE(4), stored: bytes.readUInt32BE(8) }
}

export function numberKey(number: number): Buffer {
  const key = Buffer.from('n\0\0\0\0', 'latin1')
  key.writeUInt32BE(number, 1)
  return key
}

/** @throws RangeError */
export const decodeNumberKey = (key: Uint8Array): number => viewOf(key, 5, 'key of a number').readUInt32BE(1)

export const partKey = (part: Digest): Buffer => Buffer.concat([PART_KEYS.gte, Buffer.from(part, 'hex')])

/** @throws RangeError */
export const decodePartKey = (key: Uint8Array): Digest =>
  viewOf(key, 1 + DIGEST_BYTES, 'key of a part').toString('hex', 1) as Digest

export function encodePart({ sha256, lengthBytes }: PartName): Buffer {
  const length = Buffer.allocUnsafe(4)
  length.writeUInt32BE(lengthBytes)
  return Buffer.concat([Buffer.from(sha256, 'hex'), length])
}

/** @throws RangeError */
export function decodePart(value: Uint8Array): PartName {
  const bytes = viewOf(value, DIGEST_BYTES + 4, 'name of a part')
  return {
    sha256: bytes.toString('hex', 0, DIGEST_BYTES) as Digest,
    lengthBytes: bytes.readUInt32BE(DIGEST_BYTES)
  }
}

export function encodeNumber(number: number): Buffer {
  const value = Buffer.allocUnsafe(4)
  value.writeUInt32BE(number)
  return value
}

/** @throws RangeError */
export const decodeNumber = (value: Uint8Array): number => viewOf(value, 4, 'number').readUInt32BE()

function viewOf(bytes: Uint8Array, length: number, what: string): Buffer {
  if (bytes.length !== length) throw new RangeError(`${what} of ${bytes.length} bytes`)
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
