/** Folders whose entries somebody else could exchange while they are in use. */
import { lstatSync, readFileSync, realpathSync } from 'node:fs'
import { dirname } from 'node:path'
import { isSticky, isWritableByOthers } from './writable-by-others.ts'

export interface Fault {
  folder: string
  why: string
  /** True if the folder is the user's, who can mend it. */
  isOwn: boolean
}

/**
 * The folder in which somebody else could replace what leads to this one, or what is in it; undefined if nobody can.
 * @param path absolute, of a folder or file that is there
 */
export function faultAbove(path: string): Fault | undefined {
  return faultOnWay(path) ?? faultOnWay(realpathSync.native(path))
}

function faultOnWay(path: string): Fault | undefined {
  for (const folder of foldersTo(path)) {
    const status = lstatSync(folder)
    const isOwn = status.uid === process.geteuid!()
    if (!isTrusted(status.uid)) return { folder, why: `belongs to user ${status.uid}`, isOwn }
    if (status.isSymbolicLink()) continue // the folder that it leads to is checked as well
    if (isWritableByOthers(status.mode) && !isSticky(status.mode))
      return { folder, why: 'others may write to', isOwn }
    if ((status.mode & 0o011) === 0) return undefined // nobody else can reach the folders below
  }
}

/** `/a/b` gives `/`, `/a`, `/a/b`. */
const foldersTo = (path: string): string[] => (path === '/' ? ['/'] : [...foldersTo(dirname(path)), path])

/**
 * Owner of all files whose owner has no id in this user namespace. In a namespace without root's id, root's folders
 * show it, and so do those of any other unmapped user.
 */
const OVERFLOW_UID = 65_534

/** True for root and for the user of this command. */
export const isTrusted = (uid: number): boolean =>
  uid === 0 || uid === process.geteuid!() || (uid === OVERFLOW_UID && !knowsAllIds())

function knowsAllIds(): boolean {
  try {
    return /^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'latin1'))
  } catch {
    return true
  }
}
