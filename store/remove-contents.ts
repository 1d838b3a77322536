import { closeSync } from 'node:fs'
import { chmodAt, constants, type NativeError, openBeneath, readDirAt, unlinkAt } from '../native/index.ts'

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
    const inner = openBeneath(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
    try {
      removeContents(inner)
    } finally {
      closeSync(inner)
    }
    unlinkAt(fd, name, AT_REMOVEDIR)
  }
}

/** @returns false for a directory */
function unlinkOther(fd: number, name: string): boolean {
  try {
    unlinkAt(fd, name)
    return true
  } catch (error) {
    if ((error as NativeError).code === 'EISDIR') return false
    throw error
  }
}
