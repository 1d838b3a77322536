/**
 * Removes files that others may be about to rely on (spec/store-layout.md#gc). A file is first moved aside into tmp/,
 * then its times are read once more. If somebody has touched it by then, it gets its name back. If somebody touches it
 * later, they find that it is gone.
 */
import { randomBytes } from 'node:crypto'
import { closeSync } from 'node:fs'
import { constants, type FileStatus, fstatAt, type NativeError } from '../../native/index.ts'
import {
  claimPath,
  flatName,
  isCollected,
  mtimeOf,
  parentOf,
  type StoreFolder,
  type StorePath,
  storeFolder,
  TMP
} from '../files/index.ts'
import { whenStopped } from '../values/index.ts'

/** Beginning of the names in tmp/ of files that are moved aside; the path follows with `!` for `/`, then random digits. */
const ASIDE = 'removed!'
const ASIDE_NAME =
  /^removed!((?:blobs!sha256|parts|(?:data|objects)![A-Za-z0-9._-]+)![0-9a-f]{2}![0-9a-f]{62}(?:\.[a-z]+)?)![0-9a-f]{16}$/

export interface Amount {
  files: number
  bytes: number
}

/** A file that a collector has moved aside, or in a dry run would move. */
interface MovedFile {
  path: StorePath
  sizeBytes: number
  aside?: StorePath
  /** Forgets that it is to be given back if the command is stopped. */
  forget?: () => void
}

export class Remover {
  /** Not needed, but younger than the grace period. */
  readonly young: Amount = { files: 0, bytes: 0 }
  /** Owned by other users, in folders where users may only remove their own files. */
  readonly denied: Amount = { files: 0, bytes: 0 }
  readonly #store: StoreFolder
  readonly #keptFromNs: bigint
  readonly #isDryRun: boolean
  readonly #folders = new Set<StorePath>()
  readonly #wouldBeGone = new Set<StorePath>()

  /** @param keptFromNs files touched at this time or later stay */
  constructor(root: string, keptFromNs: bigint, isDryRun: boolean) {
    this.#store = storeFolder(root)
    this.#keptFromNs = keptFromNs
    this.#isDryRun = isDryRun
  }

  /**
   * @param neededBy a file that keeps this one if it exists
   * @returns its size; undefined if it stays
   */
  async remove(path: StorePath, neededBy?: StorePath): Promise<number | undefined> {
    const isNeeded = () => this.#isThere(neededBy)
    const moved = this.#moveAside(path, isNeeded)
    return moved && this.#settleAside(moved, isNeeded)
  }

  /**
   * Removes files together. They are moved aside first, and those that are needed by then get their names back.
   * @param readNeeded called once, when all of them are aside
   * @returns the sizes of those that are gone
   */
  async removeTogether(
    paths: Iterable<StorePath>,
    readNeeded: () => Promise<(path: StorePath) => boolean>
  ): Promise<number[]> {
    const moved = [...paths].map(path => this.#moveAside(path)).filter(file => file !== undefined)
    const isNeeded = await readNeeded()
    const sizes: number[] = []
    for (const file of moved) {
      const sizeBytes = await this.#settleAside(file, isNeeded)
      if (sizeBytes !== undefined) sizes.push(sizeBytes)
    }
    return sizes
  }

  /** @returns undefined if it stays */
  #moveAside(path: StorePath, isNeeded = () => false): MovedFile | undefined {
    const store = this.#store
    const status = unlessErrno(NOT_SEEN, () => store.status(path))
    if (status === undefined || !isFile(status)) return undefined
    if (this.#isYoung(status, path)) return add(this.young, status.size)
    if (isNeeded()) return undefined
    if (this.#isDryRun) return { path, sizeBytes: status.size }
    const aside = asidePath(path)
    const isMoved = this.#move(path, aside)
    if (isMoved === 'gone') return undefined
    if (isMoved === 'denied') return add(this.denied, status.size)
    return { path, sizeBytes: status.size, aside, forget: whenStopped(() => store.giveBack(aside, path)) }
  }

  async #settleAside(
    { path, sizeBytes, aside, forget }: MovedFile,
    isNeeded: (path: StorePath) => boolean
  ): Promise<number | undefined> {
    if (aside === undefined) {
      this.#wouldBeGone.add(path)
      return sizeBytes
    }
    try {
      return await this.#removeAside(aside, path, isNeeded)
    } finally {
      forget?.()
    }
  }

  async #removeAside(
    aside: StorePath,
    path: StorePath,
    isNeeded: (path: StorePath) => boolean
  ): Promise<number | undefined> {
    const store = this.#store
    const now = statusNow(store, aside)
    if (now === undefined) return undefined // another collector has put it back
    if (this.#isYoung(now, path) || isNeeded(path)) {
      await unlessLost(() => putBack(store, aside, path))
      return undefined
    }
    store.remove(aside)
    this.#folders.add(parentOf(path))
    return now.size
  }

  /** Makes removals survive a loss of power. */
  async settle(): Promise<void> {
    for (const folder of this.#folders) await unlessLost(() => this.#store.sync(folder))
    this.#folders.clear()
  }

  /** True for files that a dry run has counted as removed. */
  wouldBeGone(path: StorePath): boolean {
    return this.#wouldBeGone.has(path)
  }

  #isThere(path: StorePath | undefined): boolean {
    return path !== undefined && !this.#wouldBeGone.has(path) && this.#store.isThere(path)
  }

  #isYoung(status: FileStatus, path: StorePath): boolean {
    if (mtimeOf(status) >= this.#keptFromNs) return true
    if (!isCollected(path)) return false
    const claim = statusNow(this.#store, claimPath(path))
    return claim !== undefined && mtimeOf(claim) >= this.#keptFromNs
  }

  #move(path: StorePath, aside: StorePath): 'moved' | 'gone' | 'denied' {
    try {
      this.#store.rename(path, aside)
      return 'moved'
    } catch (error) {
      const { code } = error as { code: string }
      if (code === 'ENOENT' || code === 'STORE_FOLDER') return 'gone'
      if (code === 'EPERM' || code === 'EACCES') return 'denied'
      throw error
    }
  }
}

/** The name of a history note is too long to be kept in another name. A crash may lose the note but not its record. */
function asidePath(path: StorePath): StorePath {
  const random = randomBytes(8).toString('hex')
  return `${TMP}/${isCollected(path) ? `${ASIDE}${flatName(path)}!${random}` : random}`
}

/** Puts files back that a killed collector had moved aside, since their times were not checked. */
export async function putBackAll(root: string): Promise<void> {
  const store = storeFolder(root)
  for (const { name, type } of store.list(TMP) ?? []) {
    const match = ASIDE_NAME.exec(name)
    if (match === null || type !== constants.S_IFREG) continue
    await unlessLost(() => putBack(store, `${TMP}/${name}`, match[1].replaceAll('!', '/')))
  }
}

/** If another file has the name by now, that one serves as well. */
async function putBack(store: StoreFolder, aside: StorePath, path: StorePath): Promise<void> {
  await store.makeFolder(parentOf(path))
  store.link(aside, path)
  await store.sync(parentOf(path))
  store.remove(aside)
}

/** Ignores files that are gone meanwhile, or lie behind a link by now. */
async function unlessLost(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!['ENOENT', 'STORE_FOLDER'].includes((error as { code: string }).code)) throw error
  }
}

function add(amount: Amount, sizeBytes: number): undefined {
  amount.files++
  amount.bytes += sizeBytes
}

const isFile = ({ mode }: FileStatus): boolean => (mode & constants.S_IFMT) === constants.S_IFREG

/** Errors for users who may not look into tmp/. */
const NOT_SEEN = ['EACCES', 'STORE_FOLDER']

function unlessErrno<T>(codes: string[], call: () => T): T | undefined {
  try {
    return call()
  } catch (error) {
    if (codes.includes((error as NativeError).code)) return undefined
    throw error
  }
}

/** Status of a file that is opened for this: an NFS client then asks the server for its times. */
function statusNow(store: StoreFolder, path: StorePath): FileStatus | undefined {
  // For files that cannot be opened, such as links, without asking the server.
  const fd = unlessErrno(['ENOENT', 'EACCES', 'ELOOP', 'ENXIO'], () => store.open(path))
  if (fd === undefined) return unlessErrno(NOT_SEEN, () => store.status(path))
  try {
    return fstatAt(fd)
  } finally {
    closeSync(fd)
  }
}
