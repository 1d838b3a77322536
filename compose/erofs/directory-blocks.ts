/** Directories in blocks of their own (spec/erofs.md#directories). */
import { BLOCK_BYTES, DIRENT_BYTES } from './format-numbers.ts'
import type { MetadataEntries } from './metadata-tree.ts'
import { writeText } from './write-text.ts'

export interface Listing extends MetadataEntries {
  /** The first entry of each block, and the number of entries. */
  starts: number[]
  /** Of the last block. */
  lastBytes: number
}

/** With `.` and `..` in their places, and cut into parts that fit into a block each. */
export function listingOf(entries: MetadataEntries, self: number, parent: number): Listing {
  const names = [...entries.names]
  const inodes = [...entries.inodes]
  insert(names, inodes, '.', self)
  insert(names, inodes, '..', parent)
  const starts = [0]
  let bytes = 0
  for (let i = 0; i < names.length; i++) {
    const more = DIRENT_BYTES + names[i].length
    if (bytes + more > BLOCK_BYTES) {
      starts.push(i)
      bytes = 0
    }
    bytes += more
  }
  starts.push(names.length)
  return { names, inodes, starts, lastBytes: bytes }
}

function insert(names: string[], inodes: number[], name: string, inode: number): void {
  let at = 0
  while (at < names.length && names[at] < name) at++
  names.splice(at, 0, name)
  inodes.splice(at, 0, inode)
}

/**
 * Writes one block: entries, then their names.
 * @param numberOf the number by which EROFS names an inode
 */
export function writeDirectoryBlock(
  out: Buffer,
  view: DataView,
  start: number,
  { names, inodes, starts }: Listing,
  block: number,
  numberOf: (inode: number) => number,
  typeOf: (inode: number) => number
): void {
  let nameStart = DIRENT_BYTES * (starts[block + 1] - starts[block])
  let at = start
  for (let i = starts[block]; i < starts[block + 1]; i++) {
    view.setUint32(at, numberOf(inodes[i]), true)
    view.setUint16(at + 8, nameStart, true)
    view.setUint8(at + 10, typeOf(inodes[i]))
    writeText(out, start + nameStart, names[i])
    nameStart += names[i].length
    at += DIRENT_BYTES
  }
}
