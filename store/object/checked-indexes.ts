/**
 * Which indexes this user's own commands have looked through: that takes as long as merging them, and what is found
 * depends on their bytes alone. So hashes are kept in a file of the user's, and nobody else's word is taken
 * (spec/store-layout.md#trust). Like all of that folder it can be removed at any time.
 */
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isWritableByOthers } from '../access/writable-by-others.ts'
import { cachePath } from '../cache-folder.ts'

/** A line feed, then one line for each index: its SHA-256. The number is raised when `checkIndex` asks for more. */
export const CHECKED_INDEXES = 'checked-indexes-1'

/** Smaller ones take less time to look through than the file. */
const SMALL_INDEX_BYTES = 1 << 16
/** 16,000 indexes; then it begins anew. */
const LARGEST_FILE_BYTES = 1 << 20
// O_NONBLOCK: opening a pipe would wait for a reader or writer.
const FLAGS = constants.O_NOFOLLOW | constants.O_NONBLOCK

const lineOf = (sha256: Buffer) => `\n${sha256.toString('hex')}\n`

/** @param sha256 at the end of the index, compared with its bytes */
export async function isCheckedIndex(sha256: Buffer, sizeBytes: number): Promise<boolean> {
  if (sizeBytes < SMALL_INDEX_BYTES) return false
  const file = await openOwn(constants.O_RDONLY)
  if (file === undefined) return false
  try {
    return (await file.readFile('latin1')).includes(lineOf(sha256))
  } catch {
    return false // it is a cache: a disk that fails makes work, and no error
  } finally {
    await file.close()
  }
}

/** Where there is no place for it, the next command looks through the index again. */
export async function noteCheckedIndex(sha256: Buffer, sizeBytes: number): Promise<void> {
  if (sizeBytes < SMALL_INDEX_BYTES) return
  const { O_WRONLY, O_CREAT, O_APPEND } = constants
  const file = await openOwn(O_WRONLY | O_CREAT | O_APPEND)
  try {
    if (file === undefined) return
    if ((await file.stat()).size > LARGEST_FILE_BYTES) await file.truncate()
    await file.appendFile(lineOf(sha256)) // whole lines, also when several commands append, or one is cut off
  } catch {
    // A full disk.
  } finally {
    await file?.close()
  }
}

/** Not the home: one that is not there is not meant to be. */
async function makeFolders(folder: string): Promise<void> {
  for (const made of [dirname(folder), folder])
    await mkdir(made, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
}

/** Undefined where it cannot be had, or is not the user's alone to write. */
async function openOwn(flags: number): Promise<FileHandle | undefined> {
  const path = cachePath(CHECKED_INDEXES)
  try {
    if (flags & constants.O_CREAT) await makeFolders(dirname(path))
    const file = await open(path, flags | FLAGS, 0o600)
    const status = await file.stat()
    if (status.isFile() && status.uid === process.geteuid!() && !isWritableByOthers(status.mode)) return file
    await file.close()
  } catch {
    // No home, none that can be written to, something else of this name.
  }
  return undefined
}
