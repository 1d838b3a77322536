import { Kind } from '../../store/object/index.ts'

/** Numbers of EROFS (spec/erofs.md; Linux, fs/erofs/erofs_fs.h). */
export const MAGIC = 0xe0f5e1e2
export const BLOCK_BYTES = 4096
export const BLOCK_BITS = 12
export const SUPERBLOCK_START = 1024
export const SUPERBLOCK_BYTES = 128
/** An inode is named by its position, counted in slots. */
export const SLOT_BYTES = 32
export const INODE_BYTES = 64
export const DIRENT_BYTES = 12
export const ATTRIBUTE_ALIGNMENT = 4
export const ATTRIBUTES_HEADER_BYTES = 12
/** Shared attributes of one inode: their number has one byte. */
export const MOST_SHARED = 255

/** Times of inodes are those of the last change of the content. */
export const COMPATIBLE_MTIME = 0x2
/** Contents may be holes. Linux 5.15. */
export const INCOMPATIBLE_CHUNKS = 0x4

/** Forms in which an inode holds its content. */
export const LAYOUT = { blocks: 0, inline: 2, chunks: 4 } as const
/** The address of a chunk that is a hole. */
export const HOLE = 0xffffffff
const CHUNK_BITS_MOST = 31
const EXTENDED_INODE = 1

export const inodeFormat = (layout: number): number => EXTENDED_INODE | (layout << 1)

/** log2 of the blocks in a chunk: one chunk for a file of up to 8 TiB. */
export function chunkBits(sizeBytes: number): number {
  if (sizeBytes <= 2 ** 31) return Math.max(0, 32 - Math.clz32(sizeBytes - 1) - BLOCK_BITS)
  let bits = 32 - BLOCK_BITS
  while (2 ** (BLOCK_BITS + bits) < sizeBytes && bits < CHUNK_BITS_MOST) bits++
  return bits
}

/** Types in directories, by `Kind`. */
export const FILE_TYPE: Record<number, number> = {
  [Kind.file]: 1,
  [Kind.directory]: 2,
  [Kind.character]: 3,
  [Kind.block]: 4,
  [Kind.fifo]: 5,
  [Kind.socket]: 6,
  [Kind.symlink]: 7
}

/** Type bits of a mode, by `Kind`. */
export const TYPE_BITS: Record<number, number> = {
  [Kind.file]: 0o100000,
  [Kind.directory]: 0o040000,
  [Kind.character]: 0o020000,
  [Kind.block]: 0o060000,
  [Kind.fifo]: 0o010000,
  [Kind.socket]: 0o140000,
  [Kind.symlink]: 0o120000
}
