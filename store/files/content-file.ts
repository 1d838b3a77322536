/**
 * Files and folders of a store as they are themselves: what is reached through a link, or is something else than a file,
 * counts as not there. `fsck` tells of it where it looks for strange things.
 */
import { constants, fstatAt } from '../../native/index.ts'
import { StrataError } from '../values/index.ts'
import { storeFolder } from './held-folder.ts'
import type { Entry, StorePath } from './store-folder.ts'

/**
 * @param use called with an O_PATH descriptor, which is closed afterwards
 * @returns undefined where no regular file is there, or a folder on the way is none
 */
export const withFileBelow = <T>(root: string, path: StorePath, use: (fd: number) => T): T | undefined =>
  unlessLink(() =>
    storeFolder(root).withInode(path, fd =>
      (fstatAt(fd).mode & constants.S_IFMT) === constants.S_IFREG ? use(fd) : undefined
    )
  )

/** Names in a folder of the store, in byte order; none where it is no folder, or is reached through a link. */
export const namesBelow = (root: string, folder: StorePath): string[] =>
  entriesBelow(root, folder).map(({ name }) => name)

/** Names of folders in it, no links among them. */
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
