/**
 * Removes directories by descriptors. Users who may write to a directory can exchange its entries at any time. So no
 * path has several steps, and only a directory that is open is changed or emptied.
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
 * Removes everything in a directory but keeps the directory itself. Links are removed and not followed.
 * @param spared a name that stays
 */
export function removeContents(fd: number, spared?: string): void {
  for (const name of readDirAt(fd).names) {
    if (name === spared || unlinkOther(fd, name)) continue
    removeFolder(fd, name)
  }
}

/**
 * Removes a directory and everything in it.
 * @param mayGo is asked about the open directory; if it returns false, the directory stays as it is
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
 * Removes a file, or a directory and everything in it; does nothing if it does not exist.
 * @param path in a folder that nobody else can change
 */
export function removeTree(path: string): void {
  const status = lstatSync(path, { throwIfNoEntry: false })
  if (status === undefined) return
  if (!status.isDirectory()) {
    unlinkSync(path)
    return
  }
  chmodSync(path, 0o700) // its mode may deny access to its own owner
  const fd = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  try {
    removeContents(fd)
  } finally {
    closeSync(fd)
  }
  rmdirSync(path)
}

/** Opens a directory and makes it writable, since its final mode may deny access to its own owner. */
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
 * Removes a directory and everything in it that only its owner can have put there. A directory in it that belongs to
 * another user, or that others may write to, stays unless it is empty: somebody may have moved it there so that a user
 * with more rights removes it.
 * @param owner the owner that it must have
 * @returns true if everything is gone
 * @throws EPERM, EACCES if the user may not remove it
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

/** Removes a link or file; one that is gone already counts as removed. @returns false for a directory */
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
