import { METADATA_BYTES, METADATA_STRIDE } from './format-numbers.ts'
import type { MetadataStream } from './metadata-stream.ts'

/** A table that is read by position: metadata blocks, then at once the u64 place of each block in the image. */
export interface LookupTable {
  bytes: Buffer
  /** Where its places stand in the image: what the superblock points to. */
  places: number
}

/** @param start where the table goes in the image; @param header bytes between blocks and places */
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
