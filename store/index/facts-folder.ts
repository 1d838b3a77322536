/**
 * Where the LevelDB of a store is: `index/facts-00000001` and so on, the highest counts. A rebuilt one gets a folder
 * of its own, because whoever still reads the old one must not find files of the new one under the same names.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { INDEX } from '../store-layout.ts'

const FOLDER = /^facts-([0-9]{8})$/

/** Absolute, newest first; none when the folder cannot be read. */
export function factsFolders(root: string): string[] {
  try {
    return readdirSync(join(root, INDEX))
      .filter(name => FOLDER.test(name))
      .sort()
      .reverse()
      .map(name => join(root, INDEX, name))
  } catch {
    return []
  }
}

export function nextFactsFolder(root: string, [newest]: string[]): string {
  const number = newest === undefined ? 0 : Number(newest.slice(-8))
  return join(root, INDEX, `facts-${String(number + 1).padStart(8, '0')}`)
}
