/** Files of a store as `fsck` finds them: what there is, of which digest it should be, and whether it is as it should be. */
import { constants, type FileStatus } from '../../native/index.ts'
import { BLOB_ENCODINGS, CLAIM, entriesBelow, type StoreFolder, type StorePath, TMP } from '../files/index.ts'
import { type Digest, StrataError } from '../values/index.ts'

/** What stands under the rest of a digest is to be a file: a folder there is as strange as a pipe. */
const FILE_NAME = /^[0-9a-f]{62}(?:\.[a-z]+)?$/

/** Regular files and whatever else is no folder, in byte order, so that two runs report alike. */
export function* filesBelow(root: string, folder: StorePath): Generator<StorePath> {
  for (const { name, type } of entriesBelow(root, folder)) {
    const path = `${folder}/${name}`
    if (type === constants.S_IFDIR && !FILE_NAME.test(name)) yield* filesBelow(root, path)
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

/** What interrupted commands left, nothing where we may not look. */
export function temporaryFiles(store: StoreFolder): StorePath[] {
  try {
    const entries = store.list(TMP) ?? []
    return entries.filter(({ name }) => !name.startsWith(CLAIM)).map(({ name }) => `${TMP}/${name}`)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error
    return []
  }
}

/** How many of these files are which inode. */
export function countNames(store: StoreFolder, files: StorePath[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const file of files) {
    const status = store.status(file)
    if (status === undefined) continue // its publisher is done with it by now
    counts.set(inodeOf(status), 1 + (counts.get(inodeOf(status)) ?? 0))
  }
  return counts
}

const inodeOf = ({ dev, ino }: FileStatus): string => `${dev}:${ino}`

/** @throws StrataError BLOB_CORRUPT; ENOENT */
export function assertPlain(
  store: StoreFolder,
  path: StorePath,
  namesInTmp: ReadonlyMap<string, number>
): void {
  const file = store.shown(path)
  const status = store.status(path)
  if (status === undefined)
    throw Object.assign(new Error(`ENOENT: ${file} is gone`), { code: 'ENOENT', syscall: 'stat', path: file })
  const { mode, nlink } = status
  if ((mode & constants.S_IFMT) !== constants.S_IFREG) throw stray(file, 'is not a regular file')
  if (mode & 0o222)
    throw stray(file, `can be written to: its mode is ${(mode & 0o7777).toString(8)}, wanted 0444`)
  if (nlink !== 1 + (namesInTmp.get(inodeOf(status)) ?? 0))
    throw stray(file, `has ${nlink} names: somebody may have linked it from elsewhere`)
}

/** @param file the whole path */
export const stray = (file: string, what: string): StrataError =>
  new StrataError('BLOB_CORRUPT', { message: `${file} ${what}` })
