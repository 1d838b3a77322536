/**
 * Publishers who rely on an existing published file must protect it from `compose gc` (spec/store-layout.md#gc). They
 * set its modification time or, if the file is another user's, the time of a claim in tmp/. Then they check that the
 * file is still there. The collector first moves a file aside and then reads these times, so one of the two sees the
 * other.
 */
import { closeSync, writeSync } from 'node:fs'
import {
  chmodAt,
  constants,
  type FileStatus,
  fstatAt,
  type NativeError,
  utimensAt
} from '../../native/index.ts'
import { StrataError } from '../values/index.ts'
import { storeFolder } from './held-folder.ts'
import { hasStrangeNames } from './open-file.ts'
import type { StoreFolder, StorePath } from './store-folder.ts'
import { PARTS, TMP } from './store-layout.ts'

const { O_NOFOLLOW, O_NONBLOCK, O_WRONLY, S_IFMT, S_IFREG } = constants
const NANOSECONDS = 1_000_000_000n

export const mtimeOf = ({ mtimeSeconds, mtimeNanoseconds }: FileStatus): bigint =>
  BigInt(mtimeSeconds) * NANOSECONDS + BigInt(mtimeNanoseconds)

/**
 * The current time by the clock of the store's file system, in nanoseconds since 1970. Times of files are only compared
 * with this clock, because clocks of hosts differ.
 */
export function storeClock(root: string): bigint {
  const store = storeFolder(root)
  const { path, file } = store.create()
  try {
    return mtimeOf(fstatAt(file.fd))
  } finally {
    file.closeSync()
    store.remove(path)
  }
}

/**
 * Protects these files from a collector that starts later or is at work now.
 * @param paths of published files
 * @returns those that are gone
 */
export function touchFiles(root: string, paths: Iterable<StorePath>): StorePath[] {
  const now = storeClock(root)
  const store = storeFolder(root)
  return [...paths].filter(path => !touch(store, path, now))
}

function touch(store: StoreFolder, path: StorePath, now: bigint): boolean {
  if (isPart(path)) return store.isThere(path)
  const isTouched = store.withInode(path, fd => trySetTime(store, fd, now))
  if (isTouched === undefined) return false
  if (!isTouched) claim(store, path)
  return store.isThere(path)
}

/**
 * Sets the time of the file itself. @returns false if a claim is needed: for another user's file, and for a file whose
 * other name may be of something else
 */
function trySetTime(store: StoreFolder, fd: number, now: bigint): boolean {
  if (!isFile(fstatAt(fd)) || hasStrangeNames(store, fd)) return false
  try {
    utimensAt(fd, '', Number(now / NANOSECONDS), Number(now % NANOSECONDS))
    return true
  } catch (error) {
    if (['EPERM', 'EACCES'].includes((error as NativeError).code)) return false
    throw error
  }
}

const isFile = ({ mode }: FileStatus): boolean => (mode & S_IFMT) === S_IFREG

/** True for files that a collector may remove; refs and derived files are not among them. */
export const isCollected = (path: StorePath): boolean => /^(blobs|data|objects|parts)\//.test(path)

/**
 * Parts need no protection of their own: a collector asks for the lists that name them after it moved them aside
 * (spec/store-layout.md#gc). A new time would make all data files that share a part check it again.
 */
const isPart = (path: StorePath): boolean => path.startsWith(`${PARTS}/`)

/** Beginning of the names of claims in tmp/; the path follows, with `!` for `/`. */
export const CLAIM = 'used!'

export const flatName = (path: StorePath): string => path.replaceAll('/', '!')

export const claimPath = (path: StorePath): StorePath => `${TMP}/${CLAIM}${flatName(path)}`

/** Times that a claim may vanish between our two looks at it; each time needs a collector. */
const ATTEMPTS = 100

/**
 * A new file takes the name of the claim. An existing file is not opened for that: somebody could have replaced it with
 * a link to another place. Only another user's claim, which cannot be replaced in a sticky folder, is renewed.
 * @throws StrataError STORE_ACCESS if something else has the name of the claim
 */
function claim(store: StoreFolder, path: StorePath): void {
  const name = claimPath(path)
  const own = store.create()
  try {
    chmodAt(own.file.fd, '', 0o666)
    writeSync(own.file.fd, '\n', 0)
    for (let attempt = 1; !tryReplace(store, own.path, name) && !tryRenew(store, name); attempt++)
      if (attempt === ATTEMPTS) throw notAFile(store, name)
  } finally {
    own.file.closeSync()
    store.remove(own.path)
  }
}

function tryReplace(store: StoreFolder, own: StorePath, name: StorePath): boolean {
  try {
    store.rename(own, name)
    return true
  } catch (error) {
    if (['EPERM', 'EACCES'].includes((error as NativeError).code)) return false
    throw NO_FILE.includes((error as NativeError).code) ? notAFile(store, name, error) : error
  }
}

// O_NONBLOCK is needed because opening a pipe would wait for a reader.
const CLAIM_FLAGS = O_WRONLY | O_NOFOLLOW | O_NONBLOCK

/**
 * Renews another user's claim: writing to it sets its time to now, and all publishers may. @returns false if it is gone
 */
function tryRenew(store: StoreFolder, name: StorePath): boolean {
  let fd: number
  try {
    fd = store.open(name, CLAIM_FLAGS)
  } catch (error) {
    const { code } = error as NativeError
    if (code === 'ENOENT') return false
    throw NO_FILE.includes(code) ? notAFile(store, name, error) : error
  }
  try {
    const status = fstatAt(fd)
    if (!isFile(status) || status.nlink > 1 || status.size > 1) throw notAFile(store, name)
    writeSync(fd, '\n', 0)
    return true
  } finally {
    closeSync(fd)
  }
}

/** Errors of renaming to, or opening for writing, a link, a pipe, a socket or a folder. */
const NO_FILE = ['ELOOP', 'ENXIO', 'EISDIR', 'ENOTEMPTY']

function notAFile(store: StoreFolder, name: StorePath, cause?: unknown): StrataError {
  const path = store.displayPath(name)
  return new StrataError('STORE_ACCESS', {
    message: `${path} is not a claim that compose made, so its file cannot be protected from compose gc`,
    facts: { file: path },
    hint: `the store's owner: rm ${path}`,
    cause
  })
}
