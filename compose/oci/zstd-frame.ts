/**
 * Writes zstd frames around bytes without packing them (RFC 8878, 3.1.1). A stream may consist of several frames, so
 * packed blocks of a data file become parts of a layer unchanged (spec/outputs.md#frames).
 */

const MAGIC = 0xfd2fb528
/** Frame content size in 4 bytes, single segment: no window descriptor, no checksum, no dictionary. */
const DESCRIPTOR = 0b1010_0000
const HEADER_BYTES = 9
const BLOCK_HEADER_BYTES = 3
/** RFC 8878, 3.1.1.2.3: most bytes in a block. */
const MAX_BLOCK_BYTES = 128 * 1024
const BlockType = { raw: 0, rle: 1 } as const

/** A frame that holds the bytes unpacked. */
export function rawFrame(bytes: Uint8Array): Buffer {
  const blocks = Math.max(1, Math.ceil(bytes.length / MAX_BLOCK_BYTES))
  const frame = Buffer.allocUnsafe(HEADER_BYTES + blocks * BLOCK_HEADER_BYTES + bytes.length)
  let at = writeHeader(frame, bytes.length)
  for (let i = 0; i < blocks; i++) {
    const part = bytes.subarray(i * MAX_BLOCK_BYTES, (i + 1) * MAX_BLOCK_BYTES)
    at = writeBlockHeader(frame, at, BlockType.raw, part.length, i === blocks - 1)
    frame.set(part, at)
    at += part.length
  }
  return frame
}

/** A frame of zeros, at least one. */
export function zeroFrame(lengthBytes: number): Buffer {
  const blocks = Math.ceil(lengthBytes / MAX_BLOCK_BYTES)
  const frame = Buffer.alloc(HEADER_BYTES + blocks * (BLOCK_HEADER_BYTES + 1))
  let at = writeHeader(frame, lengthBytes)
  for (let i = 0; i < blocks; i++) {
    const part = Math.min(MAX_BLOCK_BYTES, lengthBytes - i * MAX_BLOCK_BYTES)
    // The repeated byte follows; it is already 0.
    at = writeBlockHeader(frame, at, BlockType.rle, part, i === blocks - 1) + 1
  }
  return frame
}

function writeHeader(frame: Buffer, contentBytes: number): number {
  frame.writeUInt32LE(MAGIC, 0)
  frame.writeUInt8(DESCRIPTOR, 4)
  frame.writeUInt32LE(contentBytes, 5)
  return HEADER_BYTES
}

function writeBlockHeader(
  frame: Buffer,
  at: number,
  type: number,
  lengthBytes: number,
  isLast: boolean
): number {
  frame.writeUIntLE((lengthBytes << 3) | (type << 1) | (isLast ? 1 : 0), at, BLOCK_HEADER_BYTES)
  return at + BLOCK_HEADER_BYTES
}
