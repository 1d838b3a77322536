/**
 * Who relies on a published file that he did not write himself says so before he does: by its modification time, or,
 * where the file is another user's, by the time of a claim in tmp/ (spec/store-layout.md#gc). Then he looks whether
 * the file is still there: the collector first takes a file aside and then looks at these times, so that one of the
 * two sees the other.
 */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { utimensAt } from '../../native/index.ts'
import { StrataError } from '../errors.ts'
import { TMP } from '../store-layout.ts'

const NANOSECONDS = 1_000_000_000n

/**
 * The time by the clock of the store's file system, in nanoseconds since 1970. Times of files are compared with it
 * alone: clocks of hosts differ.
 */
export async function storeClock(root: string): Promise<bigint> {
  const path = join(root, TMP, randomBytes(16).toString('hex'))
  const file = await open(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600)
  try {
    return (await file.stat({ bigint: true })).mtimeNs
  } finally {
    await file.close()
    await unlink(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error // done before, and the answer lost (spec/store-layout.md#nfs)
    })
  }
}

/**
 * Keep these files from a collector that starts later, or is at work now.
 * @param paths absolute, of published files
 * @returns those that are gone
 */
export async function touchFiles(root: string, paths: Iterable<string>): Promise<string[]> {
  const now = await storeClock(root)
  const gone: string[] = []
  for (const path of paths) if (!(await touch(root, path, now))) gone.push(path)
  return gone
}

async function touch(root: string, path: string, now: bigint): Promise<boolean> {
  const folder = await openUnlessGone(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY)
  if (folder === undefined) return false
  try {
    utimensAt(folder.fd, basename(path), Number(now / NANOSECONDS), Number(now % NANOSECONDS))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return false
    if (code !== 'EPERM' && code !== 'EACCES') throw error
    await claim(root, path)
  } finally {
    await folder.close()
  }
  return isThere(path)
}

// O_NONBLOCK: opening a pipe would wait for a writer.
export const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** By opening it: an NFS client then asks the server, where stat(2) may tell what it knew. */
export async function isThere(path: string): Promise<boolean> {
  try {
    const file = await openUnlessGone(path, READ_FLAGS)
    await file?.close()
    return file !== undefined
  } catch (error) {
    // A file that we may not read is one; whoever reads a link or a socket says what is wrong with it.
    if (['EACCES', 'ELOOP', 'ENXIO'].includes((error as NodeJS.ErrnoException).code ?? '')) return true
    throw error
  }
}

async function openUnlessGone(path: string, flags: number): Promise<FileHandle | undefined> {
  try {
    return await open(path, flags)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Whether a collector may take the file away: refs and derived files are none of its business. */
export const isCollected = (root: string, path: string): boolean =>
  /^(blobs|data|objects)\//.test(relative(root, path))

/** Names in tmp/ of claims begin so; the path follows, relative to the store, with `!` for `/`. */
export const CLAIM = 'used!'

export const flatName = (root: string, path: string): string => relative(root, path).replaceAll('/', '!')

export const claimPath = (root: string, path: string): string =>
  join(root, TMP, `${CLAIM}${flatName(root, path)}`)

/**
 * Whoever may look into tmp/ may claim, and renew what another claimed: writing sets the time to now.
 * @throws StrataError STORE_ACCESS where something else has the name of the claim
 */
async function claim(root: string, path: string): Promise<void> {
  const name = claimPath(root, path)
  const file = await openClaim(name).catch((cause: NodeJS.ErrnoException) => {
    throw NO_FILE.includes(cause.code ?? '') ? noFile(name, cause) : cause
  })
  try {
    if (!(await file.stat()).isFile()) throw noFile(name)
    await file.chmod(0o666).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPERM') throw error // it is another user's, who made it so
    })
    await file.write('\n', 0)
  } finally {
    await file.close()
  }
}

// O_NONBLOCK: opening a pipe would wait for a reader.
const CLAIM_FLAGS = constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** How often a claim may come and go between our two looks at it; each takes a collector or another claimant. */
const ATTEMPTS = 100

/**
 * Never O_CREAT for a claim that is there: in a sticky folder the kernel then refuses another user's file, to root
 * as well (fs.protected_regular, 2 on Debian).
 */
async function openClaim(name: string): Promise<FileHandle> {
  for (let attempt = 1; ; attempt++) {
    const there = await openUnlessGone(name, CLAIM_FLAGS)
    if (there !== undefined) return there
    try {
      return await open(name, CLAIM_FLAGS | constants.O_CREAT | constants.O_EXCL, 0o666)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || attempt === ATTEMPTS) throw error
    }
  }
}

/** What opening a link, a pipe, a socket or a folder for writing says. */
const NO_FILE = ['ELOOP', 'ENXIO', 'EISDIR']

const noFile = (path: string, cause?: Error): StrataError =>
  new StrataError('STORE_ACCESS', {
    message: `${path} is no file: somebody else made it, and the file that it stands for cannot be kept from compose gc`,
    facts: { file: path },
    hint: `the store's owner: rm ${path}`,
    cause
  })
