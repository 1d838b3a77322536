/**
 * Folders of captures and builds that were killed (spec/capture.md#end). Where files belong to subordinate ids, their user
 * cannot remove them by `rm`. So the next capture or build of this user removes them.
 */
import { closeSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { constants, fstatAt, lockFile, openBeneath, readDirAt } from '../../native/index.ts'
import { isExchangeable } from '../../store/disk/index.ts'
import { removeCaptured } from './owners-way.ts'

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY, S_IFDIR, S_IFMT } = constants
const FOLDER = O_RDONLY | O_DIRECTORY | O_NOFOLLOW
/** In folders that stay when their command ends. */
const KEPT = 'kept'

/** Of the names of such folders; no user makes one of this form. */
export const workPrefix = (): string => `compose-capture-${process.pid}-`
const WORK_NAME = /^compose-capture-\d+-[A-Za-z0-9]{6}$/

/**
 * Says that the command whose folder it is runs, by a lock on the folder. A user's `rm -rf` may take every file away that
 * would say so.
 * @param folder new, empty, and for its user alone
 */
export function holdFolder(folder: string): { keep(): void; end(): void } {
  const fd = openSync(folder, FOLDER)
  lockFile(fd) // on a disk without locks, nothing is removed
  return {
    keep: () => writeFileSync(join(folder, KEPT), '', { mode: 0o600 }),
    end: () => closeSync(fd)
  }
}

/**
 * Removes folders of commands that have ended, as far as this is possible.
 * @param path of the folder that they lie in, such as /tmp
 */
export function removeAbandonedWork(path: string): void {
  let parent: number
  try {
    parent = openSync(resolve(path), O_RDONLY | O_DIRECTORY)
  } catch {
    return // making the new folder says why
  }
  try {
    if (isExchangeable(fstatAt(parent))) return // a path could change while what is in it is removed
    for (const name of readDirAt(parent).names)
      if (WORK_NAME.test(name)) removeIfAbandoned(parent, resolve(path), name)
  } finally {
    closeSync(parent)
  }
}

function removeIfAbandoned(parent: number, path: string, name: string): void {
  let folder: number | undefined
  try {
    folder = openBeneath(parent, name, FOLDER)
    const { uid, mode } = fstatAt(folder)
    if (uid !== process.geteuid!() || (mode & 0o077) !== 0) return
    const { names } = readDirAt(folder)
    // A folder is locked before anything is put into it.
    if (names.length > 0 && !names.includes(KEPT) && lockFile(folder) === true)
      removeAll(folder, join(path, name))
  } catch {
    // It is another's, is gone, or cannot be removed: in nobody's way.
  } finally {
    if (folder !== undefined) closeSync(folder)
  }
}

/** Its trees first, which need more than the user's own rights. */
function removeAll(folder: number, path: string): void {
  for (const name of readDirAt(folder).names)
    if ((fstatAt(folder, name).mode & S_IFMT) === S_IFDIR) removeCaptured(join(path, name))
  rmSync(path, { recursive: true, force: true })
}
