import { constants } from '../../native/index.ts'
import type { EntryKind } from '../tar/index.ts'

/** Kind of an inode by the file type in its mode (S_IFMT); a socket has none. */
export const KIND_OF_TYPE: ReadonlyMap<number, EntryKind> = new Map<number, EntryKind>([
  [constants.S_IFREG, 'file'],
  [constants.S_IFDIR, 'directory'],
  [constants.S_IFLNK, 'symlink'],
  [constants.S_IFBLK, 'block'],
  [constants.S_IFCHR, 'character'],
  [constants.S_IFIFO, 'fifo']
])
