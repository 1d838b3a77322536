/**
 * Which indexes this user's own commands have looked through: that takes as long as merging them, and what is found
 * depends on their bytes alone. So hashes are kept in a file of the user's, and nobody else's word is taken
 * (spec/store-layout.md#trust). Like all of that folder it can be removed at any time.
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeSync
} from 'node:fs'
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

/** What is in the file: it is read once for all objects that a command opens. */
let listed: string | undefined

/** @param sha256 at the end of the index, compared with its bytes */
export function isCheckedIndex(sha256: Buffer, sizeBytes: number): boolean {
  if (sizeBytes < SMALL_INDEX_BYTES) return false
  listed ??= withOwn(constants.O_RDONLY, file => readFileSync(file, 'latin1')) ?? ''
  return listed.includes(lineOf(sha256))
}

/** Where there is no place for it, the next command looks through the index again. */
export function noteCheckedIndex(sha256: Buffer, sizeBytes: number): void {
  if (sizeBytes < SMALL_INDEX_BYTES) return
  const { O_WRONLY, O_CREAT, O_APPEND } = constants
  withOwn(O_WRONLY | O_CREAT | O_APPEND, file => {
    if (fstatSync(file).size > LARGEST_FILE_BYTES) ftruncateSync(file)
    writeSync(file, lineOf(sha256)) // whole lines, also when several commands append, or one is cut off
  })
  listed = undefined
}

/**
 * Undefined where the file cannot be had, or is not the user's alone to write. It is a cache: no home, none that can be
 * written to, a full disk or one that fails make work, and no error.
 */
function withOwn<T>(flags: number, use: (file: number) => T): T | undefined {
  const path = cachePath(CHECKED_INDEXES)
  try {
    if (flags & constants.O_CREAT) makeFolders(dirname(path))
    const file = openSync(path, flags | FLAGS, 0o600)
    try {
      const status = fstatSync(file)
      const isOwn = status.isFile() && status.uid === process.geteuid!() && !isWritableByOthers(status.mode)
      return isOwn ? use(file) : undefined
    } finally {
      closeSync(file)
    }
  } catch {
    return undefined
  }
}

/** Not the home: one that is not there is not meant to be. */
function makeFolders(folder: string): void {
  for (const made of [dirname(folder), folder]) if (!existsSync(made)) mkdirSync(made, { mode: 0o700 })
}
