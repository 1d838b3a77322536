/** The folder in which runs with `--overlay` keep their changes (spec/capture.md#overlays). */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { constants, lockFile } from '../../native/index.ts'
import { type PathBytes, pathFromBuffer, StrataError } from '../../store/values/index.ts'

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_PATH, O_RDONLY } = constants

/** Folder of the changes, and the list of places that the launcher made for binds (native/launch/overlay.c). */
const UPPER = 'upper'
const PLACES = 'places'

export interface HeldOverlay {
  /** Leads to the very folder, whatever other users put in the place of its name meanwhile. */
  path: string
  end(): void
}

/**
 * Holds the folder of an overlay, as a run does, so that no program changes it meanwhile.
 * @throws StrataError USAGE for a folder that is no overlay of this user, or that a run uses
 */
export function holdOverlay(folder: string): HeldOverlay {
  const fd = openFolder(folder)
  try {
    const path = `/proc/self/fd/${fd}`
    closeSync(openUpper(path, folder))
    // On a disk without locks, runs do not begin, so none can be found.
    if (lockFile(fd) === false)
      refuse(folder, 'a program still runs in it', 'wait for its end, then type the same command again')
    return { path, end: () => closeSync(fd) }
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

function openFolder(folder: string): number {
  try {
    return openSync(folder, O_RDONLY | O_DIRECTORY)
  } catch (error) {
    if (NO_FOLDER.includes((error as NodeJS.ErrnoException).code ?? '')) refuseOther(folder)
    throw error
  }
}

/**
 * Opens the folder of the changes, for its inode alone.
 * @param shown the overlay's folder, for messages
 * @throws StrataError USAGE if it is not of this user
 */
export function openUpper(folder: string, shown = folder): number {
  let fd: number
  try {
    fd = openSync(join(folder, UPPER), O_PATH | O_DIRECTORY | O_NOFOLLOW)
  } catch (error) {
    if (NO_FOLDER.includes((error as NodeJS.ErrnoException).code ?? '')) refuseOther(shown)
    throw error
  }
  const { uid } = fstatSync(fd)
  if (uid === process.geteuid?.()) return fd
  closeSync(fd)
  return refuse(
    shown,
    `user ${uid} has made its changes`,
    'that user can publish them, or choose a folder of your own'
  )
}

const NO_FOLDER = ['ENOENT', 'ENOTDIR', 'ELOOP']

const refuseOther = (folder: string): never =>
  refuse(
    folder,
    'is not a folder in which compose run has kept changes',
    `compose run --overlay ${folder} IMAGE -- CMD (keeps changes in it)`
  )

function refuse(folder: string, fault: string, hint: string): never {
  throw new StrataError('USAGE', { message: `--overlay ${folder}: ${fault}`, hint })
}

/** Paths that are no changes of a program. */
export function placesIn(folder: string): Set<PathBytes> {
  const bytes = ownBytes(join(folder, PLACES))
  return new Set(bytes === undefined ? [] : pathFromBuffer(bytes).split('\0'))
}

/** The bytes of a file of this user with one name; undefined for others. */
export function ownBytes(file: string): Buffer | undefined {
  let fd: number
  try {
    fd = openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  } catch (error) {
    if (['ENOENT', 'ELOOP'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
  try {
    const status = fstatSync(fd)
    const isOwn = status.isFile() && status.uid === process.geteuid?.() && status.nlink === 1
    return isOwn ? readFileSync(fd) : undefined
  } finally {
    closeSync(fd)
  }
}
