import { closeSync } from 'node:fs'
import {
  chmodAt,
  constants,
  type FileStatus,
  fstatAt,
  type NativeError,
  openBeneath,
  readDirAt,
  unlinkAt
} from '../native/index.ts'

const { AT_REMOVEDIR, O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants

/**
 * Removes all that is in a directory, links as links, through descriptors; the directory itself stays.
 * @param spared a name that stays
 */
export function removeContents(fd: number, spared?: string): void {
  for (const name of readDirAt(fd).names) {
    if (name === spared) continue
    if (unlinkOther(fd, name)) continue
    // A directory may have its final mode already, which can shut its own owner out.
    chmodAt(fd, name, 0o700)
    removeFolder(fd, name)
  }
}

/**
 * Removes a directory with all that is in it.
 * @param mayGo asked of the open directory: one that may not stays as it is
 */
export function removeFolder(
  fd: number,
  name: string,
  mayGo: (status: FileStatus) => boolean = () => true
): void {
  const inner = openBeneath(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  try {
    if (!mayGo(fstatAt(inner))) return
    removeContents(inner)
  } finally {
    closeSync(inner)
  }
  unlinkAt(fd, name, AT_REMOVEDIR)
}

/** A link as a link. @returns false for a directory */
export function unlinkOther(fd: number, name: string): boolean {
  try {
    unlinkAt(fd, name)
    return true
  } catch (error) {
    if ((error as NativeError).code === 'EISDIR') return false
    throw error
  }
}
