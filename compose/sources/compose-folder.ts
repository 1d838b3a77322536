/** What a directory holds in `.compose`, as an image does. Anybody may have made it. */
import { closeSync, openSync } from 'node:fs'
import { constants } from '../../native/index.ts'
import { COMPOSE_FOLDER, readRegularFile } from '../sandbox/index.ts'

export const KEPT_LOCK = `${COMPOSE_FOLDER}/lock`

export const keptRecord = (module: string): string => `${COMPOSE_FOLDER}/modules/${module}.json`

/** As much as is read of one in an image. */
const MOST_BYTES = 1 << 28

/**
 * @param path {@link KEPT_LOCK} or a {@link keptRecord}
 * @throws RangeError for what is no regular file of reasonable size; an error of the system's, ELOOP for a link
 */
export function readKept(directory: string, path: string): Buffer {
  const top = openSync(directory, constants.O_PATH | constants.O_DIRECTORY)
  try {
    return readRegularFile(top, path, MOST_BYTES)
  } finally {
    closeSync(top)
  }
}
