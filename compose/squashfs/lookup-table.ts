import { METADATA_BYTES, METADATA_STRIDE } from './format-numbers.ts'
import type { MetadataStream } from './metadata-stream.ts'

/** A table with random access: metadata blocks, directly followed by the u64 position of each block in the image. */
export interface LookupTable {
  bytes: Buffer
  /** Position of this list in the image, to which the superblock points. */
  places: number
}

/**
 * @param start position of the table in the image
 * @param header bytes between blocks and positions
 */
export function encodeLookupTable(
  rows: MetadataStream,
  start: number,
  header = Buffer.alloc(0)
): LookupTable {
  const blocks = rows.toBlocks()
  const count = Math.ceil(rows.length / METADATA_BYTES)
  const places = Buffer.alloc(8 * count)
  for (let i = 0; i < count; i++) places.writeBigUInt64LE(BigInt(start + i * METADATA_STRIDE), 8 * i)
  return { bytes: Buffer.concat([blocks, header, places]), places: start + blocks.length }
}
