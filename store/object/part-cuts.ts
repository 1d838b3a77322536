/**
 * Chooses where a data file is cut into parts (spec/object.md#parts). The content decides, so that two data files with
 * the same blocks in a row are cut at the same blocks, and share the parts between the cuts.
 */

/** A shorter part is not cut. Parallel file systems and servers do not like small files. */
const SMALLEST_PART_BYTES = 512 << 10
/** A part of this length ends at the next block. */
const LARGEST_PART_BYTES = 8 << 20
/** One block in this many begins a part, if that is long enough: a power of two. */
const BLOCKS_A_CUT = 16

/** Bytes that file systems share between files as a whole. */
export const PAGE_BYTES = 4096
/** A content of this size begins at a page, and with a part of its own if the one before is long enough. */
export const LARGE_CONTENT_BYTES = 2 << 20

/** @param hash SHA-256 of the unpacked block; it is what the content decides by */
export function isCutBefore(hash: Uint8Array, partBytes: number, { isLarge = false } = {}): boolean {
  if (partBytes < SMALLEST_PART_BYTES) return false
  return isLarge || partBytes >= LARGEST_PART_BYTES || (hash[0] & (BLOCKS_A_CUT - 1)) === 0
}

/** Zeros from a position up to the next page. */
export const bytesToPage = (position: number): number => (PAGE_BYTES - (position % PAGE_BYTES)) % PAGE_BYTES
