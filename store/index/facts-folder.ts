/**
 * The folders of a store's LevelDBs: `index/facts-UID-NUMBER`. Each publisher has their own, because LevelDB makes its
 * files writable for their owner alone; a search uses all of them. A rebuilt one gets the next number, because readers
 * of the old one must not find files of the new one under the same names.
 */
import { foldersBelow, INDEX, type StorePath } from '../files/index.ts'
import { isFolderOf, type Place } from './open-folder.ts'

export interface FactsFolder extends Place {
  number: number
}

const FOLDER = /^facts-([0-9]{1,10})-([0-9]{8})$/

/** Newest first; empty if the folder cannot be read. */
export function factsFolders(root: string): FactsFolder[] {
  try {
    return foldersBelow(root, INDEX)
      .flatMap(name => {
        const match = FOLDER.exec(name)
        if (match === null) return []
        return [{ root, path: `${INDEX}/${name}`, uid: Number(match[1]), number: Number(match[2]) }]
      })
      .sort((a, b) => b.number - a.number)
  } catch {
    return []
  }
}

export const ownUid = (): number => process.geteuid?.() ?? 0

/**
 * An unused number above the newest of our own. Another publisher can make folders that look like ours, with any
 * number.
 */
export function nextFactsFolder(folders: FactsFolder[]): StorePath {
  const own = folders.filter(folder => folder.uid === ownUid())
  const taken = new Set(own.map(({ number }) => number))
  let number = 1 + Math.max(0, ...own.filter(isFolderOf).map(({ number }) => number))
  while (taken.has(number)) number++
  return `${INDEX}/facts-${ownUid()}-${String(number).padStart(8, '0')}`
}
