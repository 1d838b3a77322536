import { createHash } from 'node:crypto'
import { type ImageReader, targetOf } from '../../../compose/squashfs/reader.ts'

const KIND = ['', 'directory', 'file', 'symlink', 'block', 'character', 'fifo', 'socket']

/** The tree of an image as our reader reads it, in the form of `observedTree`. */
export function imageLines(reader: ImageReader): string[] {
  const firstOf = new Map<number, string>()
  return [...reader.walk()]
    .sort((a, b) => (a.path < b.path ? -1 : 1))
    .map(({ path, inode }) => {
      const first = firstOf.get(inode.number) ?? path
      firstOf.set(inode.number, first)
      const hash = createHash('sha256')
      if (inode.file !== undefined) for (const piece of reader.content(inode)) hash.update(piece)
      const attributes = [...reader.attributes(inode)].map(
        ([name, value]) => `${name}=0x${value.toString('hex')}`
      )
      return [
        JSON.stringify(path),
        KIND[inode.kind],
        inode.mode.toString(8),
        `${reader.uid(inode)}:${reader.gid(inode)}`,
        inode.mtimeSeconds,
        inode.device === undefined
          ? ''
          : `${(inode.device >> 8) & 0xfff},${((inode.device >>> 12) & 0xfff00) | (inode.device & 0xff)}`,
        targetOf(inode),
        inode.file === undefined ? '' : hash.digest('hex'),
        inode.directory !== undefined || first === path ? '' : `link to ${first}`,
        attributes.sort().join(' ')
      ].join(' | ')
    })
}
