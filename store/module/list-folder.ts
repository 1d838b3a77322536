import { type Dirent, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { StrataError } from '../errors.ts'
import { showPath } from '../path-bytes.ts'
import { unreadable } from './short-file.ts'

/** What a folder below `refs` holds. */
export type Listed = 'file' | 'folder'

/** Names of one kind in a folder, in byte order; whatever else is there is a fault. */
export function listFolder(folder: string, kind: Listed, faults: StrataError[]): string[] {
  const names: string[] = []
  for (const entry of readFolder(folder)) {
    const fault = /^[\x21-\x7e]+$/.test(entry.name) ? kindFault(entry, kind) : 'is no part of a module name'
    if (fault === undefined) names.push(entry.name)
    else faults.push(strange(join(folder, showPath(entry.name)), fault))
  }
  return names.sort()
}

function readFolder(path: string): Dirent[] {
  try {
    // Latin-1: a name that is not UTF-8 must not come out as one that could be.
    return readdirSync(path, { withFileTypes: true, encoding: 'latin1' })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [] // removed since its parent was read
    throw unreadable(path, cause)
  }
}

function kindFault(entry: Dirent, wanted: Listed): string | undefined {
  if (entry.isSymbolicLink()) return 'is a symbolic link'
  if (wanted === 'file') return entry.isFile() ? undefined : 'is not a file'
  return entry.isDirectory() ? undefined : 'is not a folder'
}

/** What does not belong into refs. */
export const strange = (path: string, fault: string): StrataError =>
  new StrataError('MANIFEST_INVALID', {
    message: `${path} ${fault}: nothing like it belongs into refs`,
    facts: { file: path },
    hint: 'move it away'
  })
