/**
 * Removes directories by descriptors. Whoever may write to one can exchange what is in it at any time, so nothing is
 * named by a path of several steps, and what is changed or emptied is a directory that is open.
 */
import { chmodSync, closeSync, lstatSync, openSync, rmdirSync, unlinkSync } from 'node:fs'
import {
  chmodAt,
  constants,
  type FileStatus,
  fstatAt,
  type NativeError,
  openBeneath,
  readDirAt,
  reopen,
  unlinkAt
} from '../../native/index.ts'
import { isWritableByOthers } from './writable-by-others.ts'

const { AT_REMOVEDIR, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDONLY } = constants
const LISTING = O_RDONLY | O_DIRECTORY | O_NOFOLLOW

/**
 * Removes all that is in a directory, links as links; the directory itself stays.
 * @param spared a name that stays
 */
export function removeContents(fd: number, spared?: string): void {
  for (const name of readDirAt(fd).names) {
    if (name === spared || unlinkOther(fd, name)) continue
    removeFolder(fd, name)
  }
}

/**
 * Removes a directory with all that is in it.
 * @param mayGo asked of the open directory: one that may not stays as it is
 */
export function removeFolder(
  parent: number,
  name: string,
  mayGo: (status: FileStatus) => boolean = () => true
): void {
  const fd = openWritable(parent, name, mayGo)
  if (fd === undefined) return
  try {
    removeContents(fd)
  } finally {
    closeSync(fd)
  }
  unlinkAt(parent, name, AT_REMOVEDIR)
}

/**
 * A file, or a directory with all that is in it; nothing where there is nothing.
 * @param path in a folder that nobody else can change
 */
export function removeTree(path: string): void {
  const status = lstatSync(path, { throwIfNoEntry: false })
  if (status === undefined) return
  if (!status.isDirectory()) {
    unlinkSync(path)
    return
  }
  chmodSync(path, 0o700) // it may shut out its own owner
  const fd = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  try {
    removeContents(fd)
  } finally {
    closeSync(fd)
  }
  rmdirSync(path)
}

/** A directory may have its final mode already, which can shut its own owner out. */
function openWritable(
  parent: number,
  name: string,
  mayGo: (status: FileStatus) => boolean
): number | undefined {
  const handle = openBeneath(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW)
  try {
    if (!mayGo(fstatAt(handle))) return undefined
    chmodAt(handle, '', 0o700)
    return reopen(handle, O_RDONLY | O_DIRECTORY)
  } finally {
    closeSync(handle)
  }
}

/**
 * Removes a directory with all that is in it, as far as nobody but its owner can have put it there. A directory in it
 * that is another user's, or that others may write to, stays unless it is empty: somebody may have moved it there to
 * have it removed by a user who may.
 * @param owner whose it has to be
 * @returns whether all is gone
 * @throws EPERM, EACCES where it is not ours to remove
 */
export function removeOwnTree(parent: number, name: string, owner?: number): boolean {
  const fd = openBeneath(parent, name, LISTING)
  try {
    const status = fstatAt(fd)
    if (!isWritableByOthers(status.mode) && status.uid === (owner ?? status.uid))
      for (const inner of readDirAt(fd).names)
        if (!unlinkOther(fd, inner)) removeOwnTree(fd, inner, status.uid)
  } finally {
    closeSync(fd)
  }
  return removeIfEmpty(parent, name)
}

function removeIfEmpty(parent: number, name: string): boolean {
  try {
    unlinkAt(parent, name, AT_REMOVEDIR)
    return true
  } catch (error) {
    const { code } = error as NativeError
    if (['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(code)) return code === 'ENOENT'
    throw error
  }
}

/** A link as a link; what is gone by now is what was wanted. @returns false for a directory */
export function unlinkOther(fd: number, name: string): boolean {
  try {
    unlinkAt(fd, name)
    return true
  } catch (error) {
    const { code } = error as NativeError
    if (code === 'EISDIR' || code === 'ENOENT') return code === 'ENOENT'
    throw error
  }
}
