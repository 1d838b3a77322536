/**
 * Files and folders of a store as they are themselves: below its root no link is followed, so that who may add files
 * to a store cannot make somebody change the access of a file elsewhere (spec/store-layout.md#access).
 */
import { closeSync, constants as fsConstants, openSync } from 'node:fs'
import {
  constants,
  type DirectoryListing,
  fstatAt,
  type NativeError,
  openBeneath,
  readDirAt
} from '../../native/index.ts'

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = fsConstants

/**
 * @param path relative to the root
 * @param use called with an O_PATH descriptor, which is closed afterwards
 * @returns undefined where no regular file is there, or a folder on the way is none
 */
export function withFileBelow<T>(root: string, path: string, use: (fd: number) => T): T | undefined {
  return withBeneath(root, path, constants.O_PATH | O_NOFOLLOW, fd =>
    (fstatAt(fd).mode & constants.S_IFMT) === constants.S_IFREG ? use(fd) : undefined
  )
}

/** Names in a folder of the store, in byte order; none where it is no folder, or is reached through a link. */
export function namesBelow(root: string, folder: string): string[] {
  const listing = withBeneath<DirectoryListing>(root, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, readDirAt)
  return listing === undefined ? [] : listing.names.sort()
}

/** Not there, or a link or something else in its place. */
const ABSENT = ['ENOENT', 'ENOTDIR', 'ELOOP']

function withBeneath<T>(
  root: string,
  path: string,
  flags: number,
  use: (fd: number) => T | undefined
): T | undefined {
  const fd = openFrom(root, path, flags)
  if (fd === undefined) return undefined
  try {
    return use(fd)
  } finally {
    closeSync(fd)
  }
}

function openFrom(root: string, path: string, flags: number): number | undefined {
  const folder = openSync(root, constants.O_PATH | O_DIRECTORY)
  try {
    return openBeneath(folder, path, flags)
  } catch (error) {
    if (ABSENT.includes((error as NativeError).code)) return undefined
    throw error
  } finally {
    closeSync(folder)
  }
}
