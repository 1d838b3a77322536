/** Files of a store as `fsck` finds them: what there is, of which digest it should be, and whether it is as it should be. */
import { constants, type Dirent } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Digest } from './digest.ts'
import { StrataError } from './errors.ts'
import { CLAIM } from './gc/touch.ts'
import { BLOB_ENCODINGS, TMP } from './store-layout.ts'

/** What stands under the rest of a digest is to be a file: a folder there is as strange as a pipe. */
const FILE_NAME = /^[0-9a-f]{62}(?:\.[a-z]+)?$/

/** Regular files and whatever else is no folder, in byte order, so that two runs report alike. */
export async function* filesBelow(folder: string): AsyncGenerator<string> {
  const listing = await readdir(folder, { withFileTypes: true })
  for (const entry of listing.sort((a: Dirent, b: Dirent) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name)
    if (entry.isDirectory() && !FILE_NAME.test(entry.name)) yield* filesBelow(path)
    else yield path
  }
}

export function digestOfBlobFile(file: string): Digest | undefined {
  for (const encoding of BLOB_ENCODINGS) {
    const digest = digestOfPath(file, encoding)
    if (digest !== undefined) return digest
  }
}

export const digestOfIndexFile = (file: string): Digest | undefined => digestOfPath(file, '.index')

function digestOfPath(file: string, ending: string): Digest | undefined {
  const match = /\/([0-9a-f]{2})\/([0-9a-f]{62})(\.[a-z]+)?$/.exec(file)
  return match !== null && (match[3] ?? '') === ending ? ((match[1] + match[2]) as Digest) : undefined
}

/** Paths of what interrupted commands left, none where we may not look. */
export async function temporaryFiles(root: string): Promise<string[]> {
  const names = await readdir(join(root, TMP)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EACCES') throw error
    return []
  })
  return names.filter(name => !name.startsWith(CLAIM)).map(name => join(root, TMP, name))
}

/** How many of these files are which inode. */
export async function countNames(files: string[]): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>()
  for (const file of files) {
    const status = await lstat(file).catch(() => undefined) // its publisher is done with it by now
    if (status === undefined) continue
    const inode = `${status.dev}:${status.ino}`
    counts.set(inode, 1 + (counts.get(inode) ?? 0))
  }
  return counts
}

/** @throws StrataError BLOB_CORRUPT */
export async function assertPlain(file: string, namesInTmp: ReadonlyMap<string, number>): Promise<void> {
  const { mode, nlink, dev, ino } = await lstat(file)
  if ((mode & constants.S_IFMT) !== constants.S_IFREG) throw stray(file, 'is not a regular file')
  if (mode & 0o222)
    throw stray(file, `can be written to: its mode is ${(mode & 0o7777).toString(8)}, wanted 0444`)
  if (nlink !== 1 + (namesInTmp.get(`${dev}:${ino}`) ?? 0))
    throw stray(file, `has ${nlink} names: somebody may have linked it from elsewhere`)
}

export const stray = (file: string, what: string): StrataError =>
  new StrataError('BLOB_CORRUPT', { message: `${file} ${what}` })
