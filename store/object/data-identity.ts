/**
 * Hashing a data file takes longer than linking it, so a build trusts one that is the very file that was checked last:
 * same inode, size and times (spec/store-layout.md#trust). Nobody but root can set a ctime.
 *
 * The note lies beside the file. A reader without write permission uses it and writes none.
 */
import type { BigIntStats } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { TemporaryFile } from '../temporary-file.ts'

/** `data/<profile>/ab/cdef….checked`: one line, `size inode mtime ctime`, times in nanoseconds. */
export const NOTE_ENDING = '.checked'

const identityOf = ({ size, ino, mtimeNs, ctimeNs }: BigIntStats): string =>
  `${size} ${ino} ${mtimeNs} ${ctimeNs}\n`

/** Whether this is still the file that was checked last. */
export async function isAsChecked(path: string): Promise<boolean> {
  const note = await readFile(`${path}${NOTE_ENDING}`, 'latin1').catch(() => undefined)
  return note !== undefined && note === identityOf(await stat(path, { bigint: true }))
}

/** Note that the file was checked. In a store that is only read nothing happens. */
export async function noteChecked(storeRoot: string, path: string): Promise<void> {
  if (await isAsChecked(path)) return
  try {
    const file = await TemporaryFile.create(storeRoot)
    try {
      await file.handle.writeFile(identityOf(await stat(path, { bigint: true })))
      await file.replace(`${path}${NOTE_ENDING}`)
    } finally {
      await file.discard()
    }
  } catch (error) {
    if (!['EACCES', 'EROFS', 'EPERM', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? ''))
      throw error
  }
}
