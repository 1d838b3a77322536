/** The errors of published files that cannot be opened, or that cannot be believed. They are loaded when one is met. */
import { userName } from '../accounts/index.ts'
import { StrataError } from '../values/index.ts'
import { EVERYONE, type FoundAccess, readAccess, showAccess } from './file-access.ts'
import type { StoreFolder, StorePath } from './store-folder.ts'

/** The reason why a file is not believed. */
export type FileFault =
  | { is: 'not a file' }
  | { is: 'a link' }
  | { is: 'writable'; mode: number }
  | { is: 'linked'; names: number }
  | { is: 'foreign'; uid: number; wanted: number[] }

/** @param path as it is shown to users */
export function untrustedFile(path: string, fault: FileFault): StrataError {
  return new StrataError('BLOB_CORRUPT', {
    message: `${path} ${describeFault(fault)}`,
    facts: { file: path },
    hint: 'compose fsck'
  })
}

function describeFault(fault: FileFault): string {
  switch (fault.is) {
    case 'not a file':
      return 'is not a regular file'
    case 'a link':
      return 'is a symbolic link'
    case 'writable':
      return `can be written to by others: its mode is ${(fault.mode & 0o7777).toString(8)}, wanted 0444`
    case 'linked':
      return `has ${fault.names} names: somebody may have linked it from elsewhere`
    case 'foreign':
      return `belongs to ${showUser(fault.uid)}, wanted ${fault.wanted.map(showUser).join(' or ')}`
  }
}

/** @param error of opening the file */
export function openFailure(store: StoreFolder, path: StorePath, error: NodeJS.ErrnoException): unknown {
  const shown = store.displayPath(path)
  if (error.code === 'ELOOP') return untrustedFile(shown, { is: 'a link' })
  if (error.code === 'ENXIO') return untrustedFile(shown, { is: 'not a file' })
  if (error.code !== 'EACCES') return error
  const found = accessIfSeen(store, path)
  if (found === undefined || found.access === EVERYONE) return error
  return new StrataError('ACCESS_DENIED', {
    message: `${shown} is for ${showAccess(found.access)}; you are ${showUser(process.geteuid!())}`,
    facts: { file: shown, owner: showUser(found.status.uid) },
    hint: 'ask to be added to the group, then log in again',
    cause: error
  })
}

function accessIfSeen(store: StoreFolder, path: StorePath): FoundAccess | undefined {
  try {
    return store.withInode(path, readAccess)
  } catch {
    return undefined // a folder above it denies access, so this is not about the groups of the file
  }
}

export function showUser(uid: number): string {
  const name = userName(uid)
  return name === undefined ? `uid ${uid}` : `user ${name}`
}
