/**
 * Hashing a data file takes longer than linking it, so a build trusts one that is the very file that was checked last:
 * same inode, size and times (spec/store-layout.md#trust). Nobody but root can set a ctime.
 *
 * The note lies beside the file. A reader without write permission uses it and writes none; it is believed of those who
 * could have written the file itself, and no others.
 */
import { type BigIntStats, constants, fstatSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { publishersOf } from '../access/open-file.ts'
import { TemporaryFile } from '../temporary-file.ts'

/** `data/<profile>/ab/cdef….checked`: one line, `size inode mtime ctime`, times in nanoseconds. */
export const NOTE_ENDING = '.checked'

const LONGEST_NOTE_BYTES = 128
// O_NONBLOCK: opening a pipe would wait for a writer.
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

const identityOf = ({ size, ino, mtimeNs, ctimeNs }: BigIntStats): string =>
  `${size} ${ino} ${mtimeNs} ${ctimeNs}\n`

/** Whether the open file is still the one of this name that was checked last. */
export async function isAsChecked(storeRoot: string, path: string, file: FileHandle): Promise<boolean> {
  const status = fstatSync(file.fd, { bigint: true })
  const { owner } = await publishersOf(storeRoot)
  const trusted = [0, owner, process.geteuid!(), Number(status.uid)]
  return (await readNote(path, trusted)) === identityOf(status)
}

async function readNote(path: string, trusted: number[]): Promise<string | undefined> {
  const note = await open(`${path}${NOTE_ENDING}`, FLAGS).catch(() => undefined)
  if (note === undefined) return undefined
  try {
    const status = fstatSync(note.fd)
    if (!status.isFile() || status.size > LONGEST_NOTE_BYTES || !trusted.includes(status.uid))
      return undefined
    const { buffer, bytesRead } = await note.read({ buffer: Buffer.alloc(LONGEST_NOTE_BYTES) })
    return buffer.toString('latin1', 0, bytesRead)
  } finally {
    await note.close()
  }
}

/** Note that the file was checked. In a store that is only read nothing happens. */
export async function noteChecked(storeRoot: string, path: string, file: FileHandle): Promise<void> {
  if (await isAsChecked(storeRoot, path, file)) return
  try {
    const note = await TemporaryFile.create(storeRoot)
    try {
      await note.handle.writeFile(identityOf(fstatSync(file.fd, { bigint: true })))
      await note.replace(`${path}${NOTE_ENDING}`)
    } finally {
      await note.discard()
    }
  } catch (error) {
    if (!['EACCES', 'EROFS', 'EPERM', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? ''))
      throw error
  }
}
