import { readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

/** Files that this process has open now. A thread of Node may close a descriptor while the list is read. */
export function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap(descriptor => {
    try {
      return [readlinkSync(join('/proc/self/fd', descriptor))]
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw error
    }
  })
}
