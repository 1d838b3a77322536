/** The folder in which runs with `--overlay` keep their changes (spec/capture.md#overlays). */
import { closeSync, lstatSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { constants, lockFile } from '../../native/index.ts'
import { type PathBytes, pathFromBuffer, StrataError } from '../../store/values/index.ts'

/** Folder of the changes, and the list of places that the launcher made for binds (native/launch/overlay.c). */
export const UPPER = 'upper'
const PLACES = 'places'

/**
 * Holds the folder of an overlay, as a run does, so that no program changes it meanwhile.
 * @throws StrataError USAGE for a folder that is no overlay of this user, or that a run uses
 */
export function holdOverlay(folder: string): { end(): void } {
  const status = lstatSync(join(folder, UPPER), { throwIfNoEntry: false })
  const refuse = (fault: string, hint: string): never => {
    throw new StrataError('USAGE', { message: `--overlay ${folder}: ${fault}`, hint })
  }
  if (!status?.isDirectory())
    return refuse(
      'is not a folder in which compose run has kept changes',
      `compose run --overlay ${folder} IMAGE -- CMD (keeps changes in it)`
    )
  if (status.uid !== process.geteuid?.())
    refuse(
      `user ${status.uid} has made its changes`,
      'that user can publish them, or choose a folder of your own'
    )
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY)
  // On a disk without locks, runs do not begin, so none can be found.
  if (lockFile(fd) === false) {
    closeSync(fd)
    refuse('a program still runs in it', 'wait for its end, then type the same command again')
  }
  return { end: () => closeSync(fd) }
}

/** Paths that are no changes of a program. */
export const placesIn = (folder: string): Set<PathBytes> => {
  try {
    return new Set(pathFromBuffer(readFileSync(join(folder, PLACES))).split('\0'))
  } catch {
    return new Set()
  }
}
