import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * Node comes with its headers nearly everywhere; node-gyp would fetch them from the network all the same.
 * @returns the folder that holds include/node; undefined where they are not there
 */
export function headersPrefix() {
  const prefix = dirname(dirname(process.execPath))
  return existsSync(join(prefix, 'include/node/node_api.h')) ? prefix : undefined
}
