/**
 * Blocks that were packed before are copied, not packed again (spec/object.md#known-blocks). An index says where the
 * packed form of a block lies, and nothing of that is believed: the stored bytes may be rotten, forged, or of another
 * block. They are used if they unpack to the very block, and have the form that packing gives.
 */
import zstd from 'zstd-napi/binding.js'
import { readFullySync } from '../disk/index.ts'
import { type Packing, unpackBlock } from './block-codec.ts'
import { STORED_RAW } from './layer-index.ts'

/** Blocks are looked up by so many bytes of their SHA-256. What is found is compared, so a chance hit does no harm. */
export const KEY_BYTES = 16

/** The place of a stored block, in a file that is open. */
export interface BlockPlace {
  fd: number
  /** First byte in the file. */
  position: number
  /** Length, | STORED_RAW. */
  stored: number
}

/** The file stays open until `release` is called. */
export interface FoundBlock extends BlockPlace {
  release(): void
}

/** Finds blocks that were packed before, with one profile. */
export interface KnownBlocks {
  /**
   * @param hash SHA-256 of a block's raw bytes
   * @returns undefined if it is not known where its packed form lies, also after any error
   */
  find(hash: Uint8Array): Promise<FoundBlock | undefined>
}

/** Memory that is used again for each block. */
export interface Rooms {
  /** At least as many bytes as the block. */
  stored: Uint8Array
  /** At least twice as many bytes as the block, and 1 KiB. */
  unpacked: Uint8Array
}

/** Level at which packing takes least; what it cannot make smaller is taken for incompressible. */
const FASTEST = 1

/**
 * Reads the packed form of a block that was packed before.
 * @param place where it may lie
 * @returns the stored bytes, in `rooms.stored`; undefined if they are not what packing gives
 */
export function readKnownBlock(
  raw: Uint8Array,
  { fd, position, stored }: BlockPlace,
  packing: Packing,
  rooms: Rooms
): Uint8Array | undefined {
  const isRaw = (stored & STORED_RAW) !== 0
  const lengthBytes = stored & ~STORED_RAW
  if (isRaw ? lengthBytes !== raw.length : lengthBytes === 0 || lengthBytes >= raw.length) return undefined
  const bytes = rooms.stored.subarray(0, lengthBytes)
  try {
    if (!readFullySync(fd, bytes, position)) return undefined
    if (!isRaw && !hasPackedForm(bytes, raw.length, packing)) return undefined
    const unpacked = rooms.unpacked.subarray(0, raw.length)
    if (unpackBlock(bytes, stored, unpacked, packing.compressor) !== raw.length) return undefined
    if (Buffer.compare(unpacked, raw) !== 0) return undefined
    return isRaw && isCompressible(raw, rooms.unpacked) ? undefined : bytes
  } catch {
    return undefined // an error of the disk, or of a decoder
  }
}

/**
 * True if bytes begin and end as our compressors write a block. A decoder may accept more, for example frames behind
 * the first one, which the kernel does not read.
 */
export const hasPackedForm = (
  bytes: Uint8Array,
  rawBytes: number,
  { compressor, level }: Packing
): boolean =>
  compressor === 'zstd'
    ? isSingleFrame(bytes, frameHeader(rawBytes, level))
    : startsWith(bytes, zlibHeader(level)) // unpackBlock checks the end

let cctx: zstd.CCtx | undefined

/** True if a block that an index calls incompressible is not. */
function isCompressible(raw: Uint8Array, room: Uint8Array): boolean {
  cctx ??= new zstd.CCtx()
  return cctx.compress(room, raw, FASTEST) < raw.length
}

const FRAME_MAGIC = 0xfd2fb528
/** In the frame header descriptor: the frame has no window size, because its content is one segment. */
const SINGLE_SEGMENT = 0x20
/** Level 1 is the only one whose window may be smaller than a block of 1 MiB: 512 KiB. */
const WINDOW_OF_LEVEL_1 = 1 << 19
const WINDOW_DESCRIPTOR = 0x48

/** The header that zstd writes for a block: with the size of the content, without checksum and dictionary (RFC 8878). */
function frameHeader(rawBytes: number, level: number): Buffer {
  const header = Buffer.alloc(10)
  header.writeUInt32LE(FRAME_MAGIC)
  if (level === 1 && rawBytes > WINDOW_OF_LEVEL_1) {
    header.set([0x80, WINDOW_DESCRIPTOR], 4)
    header.writeUInt32LE(rawBytes, 6)
    return header
  }
  if (rawBytes < 0x100) {
    header.set([SINGLE_SEGMENT, rawBytes], 4)
    return header.subarray(0, 6)
  }
  if (rawBytes < 0x10100) {
    header[4] = 0x40 | SINGLE_SEGMENT
    header.writeUInt16LE(rawBytes - 0x100, 5)
    return header.subarray(0, 7)
  }
  header[4] = 0x80 | SINGLE_SEGMENT
  header.writeUInt32LE(rawBytes, 5)
  return header.subarray(0, 9)
}

const BLOCK_HEADER_BYTES = 3
const BLOCK_RLE = 1
const BLOCK_RESERVED = 3

/** True if bytes are this header and then blocks, of which the last one ends where the bytes end. */
function isSingleFrame(bytes: Uint8Array, header: Uint8Array): boolean {
  if (!startsWith(bytes, header)) return false
  let at = header.length
  while (at + BLOCK_HEADER_BYTES <= bytes.length) {
    const block = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16)
    const type = (block >>> 1) & 3
    if (type === BLOCK_RESERVED) return false
    at += BLOCK_HEADER_BYTES + (type === BLOCK_RLE ? 1 : block >>> 3)
    if ((block & 1) !== 0) return at === bytes.length
  }
  return false
}

/** RFC 1950: deflate with a window of 32 KiB, no dictionary, and a hint about the level. */
function zlibHeader(level: number): Uint8Array {
  const hint = level < 2 ? 0x01 : level < 6 ? 0x5e : level === 6 ? 0x9c : 0xda
  return Uint8Array.of(0x78, hint)
}

const startsWith = (bytes: Uint8Array, start: Uint8Array): boolean =>
  bytes.length >= start.length && Buffer.compare(bytes.subarray(0, start.length), start) === 0
