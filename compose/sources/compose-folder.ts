/** Files of a directory's `.compose` folder, like those of an image. The author of the directory is unknown. */
import { closeSync, openSync } from 'node:fs'
import { constants } from '../../native/index.ts'
import { COMPOSE_FOLDER, readRegularFile } from '../sandbox/index.ts'

export const KEPT_LOCK = `${COMPOSE_FOLDER}/lock`

export const keptRecord = (module: string): string => `${COMPOSE_FOLDER}/modules/${module}.json`

/** The same limit as for such a file in an image. */
const MOST_BYTES = 1 << 28

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
