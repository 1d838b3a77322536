/**
 * Hashing a data file takes longer than linking it. So a build trusts a data file if it consists of the same files whose
 * hashes were checked last: same inode, size and times (spec/store-layout.md#trust). Only root can set a ctime.
 *
 * A note beside the part list says so, and one beside a tree index or a packed layer, which are one file each. Notes of
 * root, of the store's owner and of the user who asks are believed. If there is no such note and the user cannot write
 * one, the file of their own checks has a line for each file. A disk that changes bytes by itself leaves the times
 * unchanged, so a check is valid for one month.
 */
import { fstatSync, readFileSync } from 'node:fs'
import type { OpenFile } from '../disk/index.ts'
import { isTrusted, type StorePath, storeFolder, TemporaryFile } from '../files/index.ts'
import { noteOwnChecks, timeOfOwnCheck } from './own-checks.ts'

/** `….checked`: a line `size inode mtime ctime sha256`, times in nanoseconds, and one without a hash for each part. */
export const NOTE_ENDING = '.checked'

const LONGEST_LINE_BYTES = 192
const COUNTS_SECONDS = 30 * 86_400

/** A file that was checked, with its hash in hexadecimal digits. */
export interface CheckedFile {
  identity: string
  sha256: string
}

/** Another file has another identity, and so has one that was written to. */
export function fileIdentity(fd: number): string {
  const { size, ino, mtimeNs, ctimeNs } = fstatSync(fd, { bigint: true })
  return `${size} ${ino} ${mtimeNs} ${ctimeNs}`
}

/** True if the open file is still the one that had this hash within the last month. @param sha256 in hexadecimal digits */
export const isAsChecked = (storeRoot: string, path: StorePath, file: OpenFile, sha256: string): boolean =>
  checkedParts(storeRoot, path, { identity: fileIdentity(file.fd), sha256 }, 0) !== undefined

/**
 * The identities that the parts of a data file had at its last check, if that was within the last month and the part
 * list is still the same file; undefined for parts that this user's own checks may know (`isOwnFile`).
 * @param path of the list
 * @param list its identity, and the hash of the data file
 */
export function checkedParts(
  storeRoot: string,
  path: StorePath,
  list: CheckedFile,
  parts: number
): (string | undefined)[] | undefined {
  const note = readNote(storeRoot, path, (1 + parts) * LONGEST_LINE_BYTES)
  const [first, ...identities] = note?.text.split('\n').slice(0, -1) ?? []
  const isNoted = first === `${list.identity} ${list.sha256}` && identities.length === parts
  if (isNoted && note!.mtimeSeconds >= oldest()) return identities
  return isOwnFile(list) ? new Array(parts).fill(undefined) : undefined
}

/** True if this user's own checks say that the file had this hash within the last month. */
export const isOwnFile = (file: CheckedFile): boolean => (timeOfOwnCheck(showOwn(file)) ?? 0) >= oldest()

const showOwn = ({ identity, sha256 }: CheckedFile): string => `data ${identity} ${sha256}`

const oldest = (): number => Date.now() / 1000 - COUNTS_SECONDS

/** Reads the note; a malformed one counts as missing. */
function readNote(
  storeRoot: string,
  path: StorePath,
  mostBytes: number
): { text: string; mtimeSeconds: number } | undefined {
  try {
    const file = storeFolder(storeRoot).openFile(`${path}${NOTE_ENDING}`)
    try {
      const status = fstatSync(file.fd)
      if (!status.isFile() || status.size > mostBytes || !isTrusted(storeRoot, status.uid)) return undefined
      return { text: readFileSync(file.fd, 'latin1'), mtimeSeconds: status.mtimeMs / 1000 }
    } finally {
      file.closeSync()
    }
  } catch {
    return undefined
  }
}

/** Notes that the file had this hash, unless that is noted. @param sha256 in hexadecimal digits */
export async function noteChecked(
  storeRoot: string,
  path: StorePath,
  file: OpenFile,
  sha256: string
): Promise<void> {
  if (isAsChecked(storeRoot, path, file, sha256)) return
  await writeNote(storeRoot, path, { identity: fileIdentity(file.fd), sha256 })
}

/**
 * Notes that the file had this hash, and its parts theirs: beside it or, if that fails, in the file of this user's own
 * checks.
 */
export async function writeNote(
  storeRoot: string,
  path: StorePath,
  file: CheckedFile,
  parts: CheckedFile[] = []
): Promise<void> {
  try {
    const note = TemporaryFile.create(storeRoot)
    try {
      const lines = [`${file.identity} ${file.sha256}`, ...parts.map(part => part.identity)]
      await note.handle.writeFile(`${lines.join('\n')}\n`)
      await note.replace(`${path}${NOTE_ENDING}`)
    } finally {
      await note.discard()
    }
  } catch (error) {
    if (!['EACCES', 'EROFS', 'EPERM', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? ''))
      throw error
    noteOwnChecks([file, ...parts].map(showOwn), { withTime: true })
  }
}
