/** Files of a directory's `.compose` folder, like those of an image. The author of the directory is unknown. */
import { closeSync, openSync } from 'node:fs'
import { constants } from '../../native/index.ts'
import { COMPOSE_FOLDER, readRegularFile, SANDBOX_FOLDER } from '../sandbox/index.ts'
import { type Lock, parseLock } from '../stack/index.ts'

export const KEPT_LOCK = `${COMPOSE_FOLDER}/lock`

export const keptRecord = (module: string): string => `${COMPOSE_FOLDER}/modules/${module}.json`

/** The same limit as for such a file in an image. */
const MOST_BYTES = 1 << 28

/** The lock by which a sandbox was made. @throws StrataError LOCK_INVALID; as readKept */
export function keptLock(directory: string): Lock {
  const place = `${SANDBOX_FOLDER}/lock`
  return parseLock(readKept(directory, place).toString('utf8'), `${directory}/${place}`)
}

/**
 * @param path {@link KEPT_LOCK} or a {@link keptRecord}
 * @throws RangeError if it is not a regular file or too large; errors of node:fs, ELOOP for a link
 */
export function readKept(directory: string, path: string): Buffer {
  const top = openSync(directory, constants.O_PATH | constants.O_DIRECTORY)
  try {
    return readRegularFile(top, path, MOST_BYTES)
  } finally {
    closeSync(top)
  }
}
