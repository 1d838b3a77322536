/**
 * Who relies on a published file that he did not write himself says so before he does: by its modification time, or,
 * where the file is another user's, by the time of a claim in tmp/ (spec/store-layout.md#gc). Then he looks whether
 * the file is still there: the collector first takes a file aside and then looks at these times, so that one of the
 * two sees the other.
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
import { TMP } from './store-layout.ts'

const { O_NOFOLLOW, O_NONBLOCK, O_WRONLY, S_IFMT, S_IFREG } = constants
const NANOSECONDS = 1_000_000_000n

export const mtimeOf = ({ mtimeSeconds, mtimeNanoseconds }: FileStatus): bigint =>
  BigInt(mtimeSeconds) * NANOSECONDS + BigInt(mtimeNanoseconds)

/**
 * The time by the clock of the store's file system, in nanoseconds since 1970. Times of files are compared with it
 * alone: clocks of hosts differ.
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
 * Keep these files from a collector that starts later, or is at work now.
 * @param paths of published files
 * @returns those that are gone
 */
export function touchFiles(root: string, paths: Iterable<StorePath>): StorePath[] {
  const now = storeClock(root)
  const store = storeFolder(root)
  return [...paths].filter(path => !touch(store, path, now))
}

function touch(store: StoreFolder, path: StorePath, now: bigint): boolean {
  const isTouched = store.withInode(path, fd => setsTime(store, fd, now))
  if (isTouched === undefined) return false
  if (!isTouched) claim(store, path)
  return store.isThere(path)
}

/** The file of another user is claimed, and so is one whose other name may be that of something else. */
function setsTime(store: StoreFolder, fd: number, now: bigint): boolean {
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

/** Whether a collector may take the file away: refs and derived files are none of its business. */
export const isCollected = (path: StorePath): boolean => /^(blobs|data|objects)\//.test(path)

/** Names in tmp/ of claims begin so; the path follows with `!` for `/`. */
export const CLAIM = 'used!'

export const flatName = (path: StorePath): string => path.replaceAll('/', '!')

export const claimPath = (path: StorePath): StorePath => `${TMP}/${CLAIM}${flatName(path)}`

/** How often a claim may go between our two looks at it; each takes a collector. */
const ATTEMPTS = 100

/**
 * A new file takes the name of the claim. What is there is not changed: somebody may have put it there that lies
 * elsewhere the next moment. Only where another user's has the name, in a folder that is sticky, that one is renewed.
 * @throws StrataError STORE_ACCESS where something else has the name of the claim
 */
function claim(store: StoreFolder, path: StorePath): void {
  const name = claimPath(path)
  const own = store.create()
  try {
    chmodAt(own.file.fd, '', 0o666)
    writeSync(own.file.fd, '\n', 0)
    for (let attempt = 1; !replaces(store, own.path, name) && !renews(store, name); attempt++)
      if (attempt === ATTEMPTS) throw notAFile(store, name)
  } finally {
    own.file.closeSync()
    store.remove(own.path)
  }
}

function replaces(store: StoreFolder, own: StorePath, name: StorePath): boolean {
  try {
    store.rename(own, name)
    return true
  } catch (error) {
    if (['EPERM', 'EACCES'].includes((error as NativeError).code)) return false
    throw NO_FILE.includes((error as NativeError).code) ? notAFile(store, name, error) : error
  }
}

// O_NONBLOCK: opening a pipe would wait for a reader.
const CLAIM_FLAGS = O_WRONLY | O_NOFOLLOW | O_NONBLOCK

/** Whoever may look into tmp/ may: writing sets the time to now. @returns false where it is gone */
function renews(store: StoreFolder, name: StorePath): boolean {
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

/** What renaming to, or opening for writing, a link, a pipe, a socket or a folder says. */
const NO_FILE = ['ELOOP', 'ENXIO', 'EISDIR', 'ENOTEMPTY']

function notAFile(store: StoreFolder, name: StorePath, cause?: unknown): StrataError {
  const path = store.shown(name)
  return new StrataError('STORE_ACCESS', {
    message: `${path} is not a claim that compose made: the file that it stands for cannot be kept from compose gc`,
    facts: { file: path },
    hint: `the store's owner: rm ${path}`,
    cause
  })
}
