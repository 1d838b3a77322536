/**
 * Opens the folder of a database so that it stays the folder that was checked. Any publisher may make and rename
 * folders in index/, under any name, and put links and pipes into them. So a database is used only if its folder and
 * all entries are as LevelDB makes them for the user in its name, and if nobody else can write to them. It is used
 * through the descriptor (spec/index.md#trust).
 */
import { closeSync, existsSync } from 'node:fs'
import { constants, type FileStatus, fstatAt, type NativeError, readDirAt } from '../../native/index.ts'
import { isWritableByOthers } from '../disk/index.ts'
import { type StorePath, storeFolder } from '../files/index.ts'

const FOLDER_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY

/** Place and supposed owner of a database. */
export interface Place {
  /** Root of the store. */
  root: string
  path: StorePath
  uid: number
}

/**
 * @returns a descriptor; undefined if this is not a database that its user made, which counts as missing
 * @throws Error of the system
 */
export function openDatabaseFolder(place: Place): number | undefined {
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

/** True if a folder belongs to its user, whatever is in it. */
export function isFolderOf(place: Place): boolean {
  const fd = openFolder(place)
  if (fd !== undefined) closeSync(fd)
  return fd !== undefined
}

/** True if only this user can have written the file, and if it has no second name elsewhere. */
export const isPlainFile = ({ mode, uid, nlink }: FileStatus, wanted: number): boolean =>
  (mode & constants.S_IFMT) === constants.S_IFREG && uid === wanted && nlink <= 1 && !isWritableByOthers(mode)

/** Removes a database of its user; files that others could have put there stay. */
export function removeDatabase({ root, path, uid }: Place): void {
  storeFolder(root).removeTree(path, uid)
}

/** The path that LevelDB opens. By its own path, the folder could be exchanged for another one meanwhile. */
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
