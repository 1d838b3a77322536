import {
  BLOCK_BITS,
  COMPATIBLE_MTIME,
  INCOMPATIBLE_CHUNKS,
  MAGIC,
  SUPERBLOCK_START
} from './format-numbers.ts'

/** spec/erofs.md#superblock */
export interface Superblock {
  inodes: number
  /** Below 65,536. */
  rootNumber: number
  blocks: number
  /** First block of the shared attributes. */
  attributesBlock: number
}

export const UUID_START = 48
export const UUID_BYTES = 16
const VOLUME_NAME = 'strata'

/** All other bytes stay 0. */
export function encodeSuperblock(out: Buffer, superblock: Superblock): void {
  const { inodes, rootNumber, blocks, attributesBlock } = superblock
  const at = SUPERBLOCK_START
  out.writeUInt32LE(MAGIC, at)
  out.writeUInt32LE(COMPATIBLE_MTIME, at + 8)
  out.writeUInt8(BLOCK_BITS, at + 12)
  out.writeUInt16LE(rootNumber, at + 14)
  out.writeUInt32LE(inodes, at + 16)
  out.writeUInt32LE(blocks, at + 36)
  out.writeUInt32LE(attributesBlock, at + 44)
  out.write(VOLUME_NAME, at + 64, 'latin1')
  out.writeUInt32LE(INCOMPATIBLE_CHUNKS, at + 80)
}
