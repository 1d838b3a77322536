/**
 * Where the LevelDBs of a store are: `index/facts-UID-NUMBER`. One for each user who publishes, because LevelDB makes
 * its files writable for their owner alone; together they cover what each of them covers. A rebuilt one gets the next
 * number, because whoever still reads the old one must not find files of the new one under the same names.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { INDEX } from '../store-layout.ts'
import { isFolderOf } from './open-folder.ts'

export interface FactsFolder {
  /** Absolute. */
  path: string
  uid: number
  number: number
}

const FOLDER = /^facts-([0-9]{1,10})-([0-9]{8})$/

/** Newest first; none when the folder cannot be read. */
export function factsFolders(root: string): FactsFolder[] {
  try {
    return readdirSync(join(root, INDEX))
      .flatMap(name => {
        const match = FOLDER.exec(name)
        if (match === null) return []
        return [{ path: join(root, INDEX, name), uid: Number(match[1]), number: Number(match[2]) }]
      })
      .sort((a, b) => b.number - a.number)
  } catch {
    return []
  }
}

export const ownUid = (): number => process.geteuid?.() ?? 0

/**
 * The number behind the newest of our own, and no name that is there: another publisher can make one that looks like
 * ours, of any number.
 */
export function nextFactsFolder(root: string, folders: FactsFolder[]): string {
  const own = folders.filter(folder => folder.uid === ownUid())
  const taken = new Set(own.map(({ number }) => number))
  let number = 1 + Math.max(0, ...own.filter(isFolderOf).map(({ number }) => number))
  while (taken.has(number)) number++
  return join(root, INDEX, `facts-${ownUid()}-${String(number).padStart(8, '0')}`)
}
