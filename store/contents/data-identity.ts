/**
 * Hashing a data file takes longer than linking it. So a build trusts a data file if it is the same file whose hash was
 * checked last: same inode, size and times (spec/store-layout.md#trust). Only root can set a ctime.
 *
 * A note beside the file says so. Notes of root, of the store's owner and of the user who asks are believed. If there
 * is no such note and the user cannot write one, the file of their own checks has it. A disk that changes bytes by
 * itself leaves the times unchanged, so a note is valid for one month.
 */
import { type BigIntStats, fstatSync, readFileSync } from 'node:fs'
import type { OpenFile } from '../disk/index.ts'
import { isTrusted, type StorePath, storeFolder, TemporaryFile } from '../files/index.ts'
import { noteOwnCheck, timeOfOwnCheck } from './own-checks.ts'

/** `data/<profile>/ab/cdef….checked`: one line, `size inode mtime ctime sha256`, times in nanoseconds. */
export const NOTE_ENDING = '.checked'

const LONGEST_NOTE_BYTES = 192
const COUNTS_SECONDS = 30 * 86_400

const identityOf = ({ size, ino, mtimeNs, ctimeNs }: BigIntStats, sha256: string): string =>
  `${size} ${ino} ${mtimeNs} ${ctimeNs} ${sha256}`

const identity = ({ fd }: OpenFile, sha256: string): string =>
  identityOf(fstatSync(fd, { bigint: true }), sha256)

/** True if the open file is still the one that had this hash within the last month. @param sha256 in hexadecimal digits */
export function isAsChecked(storeRoot: string, path: StorePath, file: OpenFile, sha256: string): boolean {
  const wanted = identity(file, sha256)
  const oldest = Date.now() / 1000 - COUNTS_SECONDS
  const note = readNote(storeRoot, path)
  if (note !== undefined && note.text === `${wanted}\n` && note.mtimeSeconds >= oldest) return true
  return (timeOfOwnCheck(`data ${wanted}`) ?? 0) >= oldest
}

/** The hash of the open file at its last check; undefined if it is not known. */
export function checkedSha256(storeRoot: string, path: StorePath, file: OpenFile): string | undefined {
  const [, sha256] = / ([0-9a-f]{64})\n$/.exec(readNote(storeRoot, path)?.text ?? '') ?? []
  return sha256 !== undefined && isAsChecked(storeRoot, path, file, sha256) ? sha256 : undefined
}

/** Reads the note; a malformed one counts as missing. */
function readNote(storeRoot: string, path: StorePath): { text: string; mtimeSeconds: number } | undefined {
  try {
    const file = storeFolder(storeRoot).openFile(`${path}${NOTE_ENDING}`)
    try {
      const status = fstatSync(file.fd)
      if (!status.isFile() || status.size > LONGEST_NOTE_BYTES || !isTrusted(storeRoot, status.uid))
        return undefined
      return { text: readFileSync(file.fd, 'latin1'), mtimeSeconds: status.mtimeMs / 1000 }
    } finally {
      file.closeSync()
    }
  } catch {
    return undefined
  }
}

/** Notes that the file had this hash: beside it or, if that fails, in the file of this user's own checks. */
export async function noteChecked(
  storeRoot: string,
  path: StorePath,
  file: OpenFile,
  sha256: string
): Promise<void> {
  if (isAsChecked(storeRoot, path, file, sha256)) return
  const line = identity(file, sha256)
  try {
    const note = TemporaryFile.create(storeRoot)
    try {
      await note.handle.writeFile(`${line}\n`)
      await note.replace(`${path}${NOTE_ENDING}`)
    } finally {
      await note.discard()
    }
  } catch (error) {
    if (!['EACCES', 'EROFS', 'EPERM', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? ''))
      throw error
    noteOwnCheck(`data ${line}`, { withTime: true })
  }
}
