/** Directories in blocks of their own (spec/erofs.md#directories). */
import { BLOCK_BYTES, DIRENT_BYTES } from './format-numbers.ts'
import type { MetadataEntry } from './metadata-tree.ts'

/** With `.` and `..` in their places, and cut into lists that fit into a block each. */
export function directoryBlocks(entries: MetadataEntry[], self: number, parent: number): MetadataEntry[][] {
  const all = withEntry(withEntry(entries, { name: '.', inode: self }), { name: '..', inode: parent })
  const blocks: MetadataEntry[][] = []
  let first = 0
  let bytes = 0
  for (let i = 0; i < all.length; i++) {
    const more = DIRENT_BYTES + all[i].name.length
    if (bytes + more > BLOCK_BYTES) {
      blocks.push(all.slice(first, i))
      first = i
      bytes = 0
    }
    bytes += more
  }
  blocks.push(all.slice(first))
  return blocks
}

function withEntry(entries: MetadataEntry[], entry: MetadataEntry): MetadataEntry[] {
  let at = 0
  while (at < entries.length && entries[at].name < entry.name) at++
  return [...entries.slice(0, at), entry, ...entries.slice(at)]
}

export const bytesOf = (block: MetadataEntry[]): number =>
  block.reduce((sum, { name }) => sum + DIRENT_BYTES + name.length, 0)

/**
 * Writes one block: entries, then their names.
 * @param numberOf the number by which EROFS names an inode
 */
export function writeDirectoryBlock(
  out: Buffer,
  view: DataView,
  start: number,
  block: MetadataEntry[],
  numberOf: (inode: number) => number,
  typeOf: (inode: number) => number
): void {
  let nameStart = DIRENT_BYTES * block.length
  let at = start
  for (const { name, inode } of block) {
    const number = numberOf(inode)
    view.setUint32(at, number, true)
    view.setUint16(at + 8, nameStart, true)
    view.setUint8(at + 10, typeOf(inode))
    out.write(name, start + nameStart, 'latin1')
    nameStart += name.length
    at += DIRENT_BYTES
  }
}
