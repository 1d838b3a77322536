/**
 * The folder of a database, opened so that it stays the one that was looked at. Whoever publishes may make and rename
 * folders in index/, under any name, and put links and pipes into his own. So a database is used only where its folder
 * and all that is in it are as LevelDB makes them for the user whom the name tells, and nobody else can write to
 * them; and it is used through the descriptor (spec/index.md#trust).
 */
import { closeSync, constants, existsSync, openSync } from 'node:fs'
import { rmdir } from 'node:fs/promises'
import {
  type FileStatus,
  fstatAt,
  type NativeError,
  constants as of,
  readDirAt,
  unlinkAt
} from '../../native/index.ts'
import { isWritableByOthers } from '../access/writable-by-others.ts'
import type { FactsFolder } from './facts-folder.ts'

const FOLDER_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW

type Place = Pick<FactsFolder, 'path' | 'uid'>

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
  (mode & of.S_IFMT) === of.S_IFREG && uid === wanted && nlink <= 1 && !isWritableByOthers(mode)

/**
 * Remove a database of its user's, entry by entry through the descriptor: nothing is deleted that he could not delete
 * himself. What is no file stays, and then the folder does.
 */
export async function removeFactsFolder(place: Place): Promise<void> {
  const fd = openFolder(place)
  if (fd === undefined) return
  try {
    for (const name of readDirAt(fd).names) unlinkAt(fd, name)
  } finally {
    closeSync(fd)
  }
  await rmdir(place.path)
}

/** What LevelDB is told to open: by its path the folder could be exchanged for another one meanwhile. */
export function pathOfDescriptor(fd: number, path: string): string {
  const byDescriptor = `/proc/self/fd/${fd}`
  return existsSync(byDescriptor) ? byDescriptor : path
}

function openFolder({ path, uid }: Place): number | undefined {
  let fd: number
  try {
    fd = openSync(path, FOLDER_FLAGS)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
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
