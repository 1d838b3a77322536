import { constants } from '../../native/index.ts'
import { type Entry, type StorePath, storeFolder } from '../files/index.ts'
import { StrataError, typedPath } from '../values/index.ts'
import { nameReadFaults } from './short-file.ts'

/** Kind of the entries of a folder below `refs`. */
export type Listed = 'file' | 'folder'

/** Names of one kind in a folder, in byte order; empty if it does not exist. Entries of another kind are faults. */
export function listFolder(root: string, folder: StorePath, kind: Listed, faults: StrataError[]): string[] {
  const store = storeFolder(root)
  const names: string[] = []
  for (const entry of nameReadFaults(root, folder, () => store.list(folder)) ?? []) {
    const fault = /^[\x21-\x7e]+$/.test(entry.name)
      ? kindFault(entry, kind)
      : 'cannot be part of a module name'
    if (fault === undefined) names.push(entry.name)
    else faults.push(strangeEntry(store.displayPath(`${folder}/${entry.name}`), fault))
  }
  return names
}

function kindFault({ type }: Entry, wanted: Listed): string | undefined {
  if (type === constants.S_IFLNK) return 'is a symbolic link'
  if (wanted === 'file') return type === constants.S_IFREG ? undefined : 'is not a file'
  return type === constants.S_IFDIR ? undefined : 'is not a folder'
}

/** The error for an entry that does not belong into refs. */
export const strangeEntry = (path: string, fault: string): StrataError =>
  new StrataError('MANIFEST_INVALID', {
    message: `${path} ${fault}: it does not belong into refs`,
    facts: { file: path },
    hint: `mv ${typedPath(path)} ~`
  })
