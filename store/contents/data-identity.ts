/**
 * Hashing a data file takes longer than linking it, so a build trusts one that is the very file whose hash was compared
 * last: same inode, size and times (spec/store-layout.md#trust). Nobody but root can set a ctime.
 *
 * The note lies beside the file. It is believed of root, the store's owner and the user who asks; where none of these
 * left one and this user cannot, the file of their own checks has it. A disk that changes bytes by itself leaves the
 * times as they are, so a note counts for a month.
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

/** Whether the open file is still the one of this name that had this hash within the last month. @param sha256 in hexadecimal digits */
export function isAsChecked(storeRoot: string, path: StorePath, file: OpenFile, sha256: string): boolean {
  const wanted = identity(file, sha256)
  const oldest = Date.now() / 1000 - COUNTS_SECONDS
  const note = readNote(storeRoot, path)
  if (note !== undefined && note.text === `${wanted}\n` && note.mtimeSeconds >= oldest) return true
  return (timeOfOwnCheck(`data ${wanted}`) ?? 0) >= oldest
}

/** The hash that the open file had when it was checked last; undefined where that is not known. */
export function checkedSha256(storeRoot: string, path: StorePath, file: OpenFile): string | undefined {
  const [, sha256] = / ([0-9a-f]{64})\n$/.exec(readNote(storeRoot, path)?.text ?? '') ?? []
  return sha256 !== undefined && isAsChecked(storeRoot, path, file, sha256) ? sha256 : undefined
}

/** A note that is not as one should be counts as not there. */
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

/** Note that the file had this hash: beside it, else in the file of this user's own checks. */
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
