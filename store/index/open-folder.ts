/**
 * The folder of a database, opened so that it stays the one that was looked at. Whoever publishes may make and rename
 * folders in index/, under any name, and put links and pipes into his own. So a database is used only where its folder
 * and all that is in it are as LevelDB makes them for the user whom the name tells, and nobody else can write to
 * them; and it is used through the descriptor (spec/index.md#trust).
 */
import { closeSync, existsSync } from 'node:fs'
import { constants, type FileStatus, fstatAt, type NativeError, readDirAt } from '../../native/index.ts'
import { isWritableByOthers } from '../disk/index.ts'
import { type StorePath, storeFolder } from '../files/index.ts'

const FOLDER_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY

/** Where a user's database is said to be. */
export interface Place {
  /** Of the store. */
  root: string
  path: StorePath
  uid: number
}

/**
 * @returns a descriptor; undefined where this is not a database that its user made, and that counts as not there
 * @throws Error of the system
 */
export function openFactsFolder(place: Place): number | undefined {
  const fd = openFolder(place)
  if (fd === undefined) return undefined
  try {
    if (readDirAt(fd).names.every(name => isPlainEntry(fd, name, place.uid))) return fd
  } catch (error) {
    closeSync(fd)
    throw error
  }
  closeSync(fd)
}

/** Whether a folder is its user's, whatever is in it. */
export function isFolderOf(place: Place): boolean {
  const fd = openFolder(place)
  if (fd !== undefined) closeSync(fd)
  return fd !== undefined
}

/** Whether nobody but this user can have written it, nor has it under a name elsewhere. */
export const isPlainFile = ({ mode, uid, nlink }: FileStatus, wanted: number): boolean =>
  (mode & constants.S_IFMT) === constants.S_IFREG && uid === wanted && nlink <= 1 && !isWritableByOthers(mode)

/** Remove a database of its user's; what others could have put there stays. */
export function removeFactsFolder({ root, path, uid }: Place): void {
  storeFolder(root).removeTree(path, uid)
}

/** What LevelDB is told to open: by its path the folder could be exchanged for another one meanwhile. */
export function pathOfDescriptor(fd: number): string {
  const path = `/proc/self/fd/${fd}`
  if (existsSync(path)) return path
  throw new Error('/proc is not mounted: a database cannot be opened by its descriptor')
}

function openFolder({ root, path, uid }: Place): number | undefined {
  let fd: number
  try {
    fd = storeFolder(root).open(path, FOLDER_FLAGS)
  } catch (error) {
    if (['ENOENT', 'STORE_FOLDER'].includes((error as { code: string }).code)) return undefined
    throw error
  }
  const status = fstatAt(fd)
  if (status.uid === uid && !isWritableByOthers(status.mode)) return fd
  closeSync(fd)
}

function isPlainEntry(fd: number, name: string, uid: number): boolean {
  try {
    return isPlainFile(fstatAt(fd, name), uid)
  } catch (error) {
    if ((error as NativeError).code === 'ENOENT') return true // LevelDB at work removed it
    throw error
  }
}
