import type { EntryKind } from '../tar/index.ts'
import { Kind } from './layer-index.ts'

/** Tar's kind for each inode kind of an index. Tar has none for a socket. */
export const ENTRY_KIND: Readonly<Record<number, Exclude<EntryKind, 'hardlink'>>> = {
  [Kind.directory]: 'directory',
  [Kind.file]: 'file',
  [Kind.symlink]: 'symlink',
  [Kind.block]: 'block',
  [Kind.character]: 'character',
  [Kind.fifo]: 'fifo'
}
