/** Files of a store as `fsck` finds them: which exist, which digest each should have, and whether its inode is sound. */
import { constants, type FileStatus } from '../../native/index.ts'
import { BLOB_ENCODINGS, CLAIM, entriesBelow, type StoreFolder, type StorePath, TMP } from '../files/index.ts'
import { type Digest, StrataError } from '../values/index.ts'

/** A name that is the rest of a digest must be a file; a folder is reported like a pipe. */
const FILE_NAME = /^[0-9a-f]{62}(?:\.[a-z]+)?$/

/** Everything but folders, in byte order, so that two runs report alike. */
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

/** Of a part, or of a part list. */
export const digestOfPlainFile = (file: string): Digest | undefined => digestOfPath(file, '')

export const digestOfIndexFile = (file: string): Digest | undefined => digestOfPath(file, '.index')

function digestOfPath(file: string, ending: string): Digest | undefined {
  const match = /\/([0-9a-f]{2})\/([0-9a-f]{62})(\.[a-z]+)?$/.exec(file)
  return match !== null && (match[3] ?? '') === ending ? ((match[1] + match[2]) as Digest) : undefined
}

/** Files that interrupted commands left; empty if the user may not look into tmp/. */
export function temporaryFiles(store: StoreFolder): StorePath[] {
  try {
    const entries = store.list(TMP) ?? []
    return entries.filter(({ name }) => !name.startsWith(CLAIM)).map(({ name }) => `${TMP}/${name}`)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error
    return []
  }
}

/** Number of these files for each inode. */
export function countNames(store: StoreFolder, files: StorePath[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const file of files) {
    const status = store.status(file)
    if (status === undefined) continue // its publisher has removed it meanwhile
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
  const file = store.displayPath(path)
  const status = store.status(path)
  if (status === undefined)
    throw Object.assign(new Error(`ENOENT: ${file} is gone`), { code: 'ENOENT', syscall: 'stat', path: file })
  const { mode, nlink } = status
  if ((mode & constants.S_IFMT) !== constants.S_IFREG) throw strayFile(file, 'is not a regular file')
  if (mode & 0o222)
    throw strayFile(file, `can be written to: its mode is ${(mode & 0o7777).toString(8)}, wanted 0444`)
  if (nlink !== 1 + (namesInTmp.get(inodeOf(status)) ?? 0))
    throw strayFile(file, `has ${nlink} names: somebody may have linked it from elsewhere`)
}

/** @param file the whole path */
export const strayFile = (file: string, what: string): StrataError =>
  new StrataError('BLOB_CORRUPT', { message: `${file} ${what}` })
