/**
 * Files and folders of a store, without following links. A path through a link, or to something that is not a file,
 * counts as missing; `fsck` reports these where it looks for strange things.
 */
import { constants, fstatAt } from '../../native/index.ts'
import { StrataError } from '../values/index.ts'
import { storeFolder } from './held-folder.ts'
import type { Entry, StorePath } from './store-folder.ts'

/**
 * @param use called with an O_PATH descriptor, which is closed afterwards
 * @returns undefined if there is no regular file, or if a step of its path is not a folder
 */
export const withFileBelow = <T>(root: string, path: StorePath, use: (fd: number) => T): T | undefined =>
  unlessLink(() =>
    storeFolder(root).withInode(path, fd =>
      (fstatAt(fd).mode & constants.S_IFMT) === constants.S_IFREG ? use(fd) : undefined
    )
  )

/** Names in a folder of the store, in byte order; empty if it is not a folder, or only reached through a link. */
export const namesBelow = (root: string, folder: StorePath): string[] =>
  entriesBelow(root, folder).map(({ name }) => name)

/** Names of the folders in a folder, without links. */
export const foldersBelow = (root: string, folder: StorePath): string[] =>
  entriesBelow(root, folder)
    .filter(({ type }) => type === constants.S_IFDIR)
    .map(({ name }) => name)

export const entriesBelow = (root: string, folder: StorePath): Entry[] =>
  unlessLink(() => storeFolder(root).list(folder)) ?? []

function unlessLink<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch (error) {
    if (error instanceof StrataError && error.code === 'STORE_FOLDER') return undefined
    throw error
  }
}
