/**
 * The folders of a store's LevelDBs: `index/KIND-UID-NUMBER`. Each publisher has their own, because LevelDB makes its
 * files writable for their owner alone; a look-up uses all of them. A rebuilt one gets the next number, because readers
 * of the old one must not find files of the new one under the same names.
 */
import { foldersBelow, INDEX, type StorePath } from '../files/index.ts'
import { isFolderOf, type Place } from './open-folder.ts'

/** Databases for one purpose. */
export interface DatabaseKind {
  /** Beginning of their folders' names. */
  name: string
  /** Value of the key `format`. A database of another format counts as missing. */
  format: Buffer
  /** False if only their user may read them. */
  isForAll: boolean
  /** Size at which LevelDB begins another table; its own choice if undefined. */
  tableBytes?: number
}

export const FORMAT_KEY = Buffer.from('format')

export interface DatabaseFolder extends Place {
  number: number
}

/** Newest first; empty if the folder cannot be read. */
export function databaseFolders(root: string, { name: kind }: DatabaseKind): DatabaseFolder[] {
  try {
    return foldersBelow(root, INDEX)
      .flatMap(name => {
        const match = name.startsWith(kind)
          ? /^-([0-9]{1,10})-([0-9]{8})$/.exec(name.slice(kind.length))
          : null
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
export function nextFolder({ name }: DatabaseKind, folders: DatabaseFolder[]): StorePath {
  const own = folders.filter(folder => folder.uid === ownUid())
  const taken = new Set(own.map(({ number }) => number))
  let number = 1 + Math.max(0, ...own.filter(isFolderOf).map(({ number }) => number))
  while (taken.has(number)) number++
  return `${INDEX}/${name}-${ownUid()}-${String(number).padStart(8, '0')}`
}
