/**
 * Takes files away while others may be about to rely on them (spec/store-layout.md#gc): a file is first moved aside
 * into tmp/, then asked for its times once more. Either whoever touched it did so before, and it gets its name back,
 * or he finds that it is gone.
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

/** Names in tmp/ of files that are moved aside begin so; the path follows with `!` for `/`, then random digits. */
const ASIDE = 'removed!'
const ASIDE_NAME =
  /^removed!((?:blobs!sha256|(?:data|objects)![A-Za-z0-9._-]+)![0-9a-f]{2}![0-9a-f]{62}(?:\.[a-z]+)?)![0-9a-f]{16}$/

export interface Amount {
  files: number
  bytes: number
}

export class Remover {
  /** Not needed by anything, but younger than the grace period. */
  readonly young: Amount = { files: 0, bytes: 0 }
  /** Not ours to remove: other users' in a folder where each may only remove their own. */
  readonly denied: Amount = { files: 0, bytes: 0 }
  readonly #store: StoreFolder
  readonly #keptFromNs: bigint
  readonly #isDryRun: boolean
  readonly #folders = new Set<StorePath>()
  readonly #wouldBeGone = new Set<StorePath>()

  /** @param keptFromNs what was touched then or later stays */
  constructor(root: string, keptFromNs: bigint, isDryRun: boolean) {
    this.#store = storeFolder(root)
    this.#keptFromNs = keptFromNs
    this.#isDryRun = isDryRun
  }

  /**
   * @param neededBy a file that keeps this one, should it be there
   * @returns its size, undefined when it stays
   */
  async remove(path: StorePath, neededBy?: StorePath): Promise<number | undefined> {
    const store = this.#store
    const status = unlessErrno(NOT_SEEN, () => store.status(path))
    if (status === undefined || !isFile(status)) return undefined
    if (this.#isYoung(status, path)) return add(this.young, status.size)
    if (this.#isThere(neededBy)) return undefined
    if (this.#isDryRun) {
      this.#wouldBeGone.add(path)
      return status.size
    }
    const aside = asidePath(path)
    const isMoved = this.#move(path, aside)
    if (isMoved === 'gone') return undefined
    if (isMoved === 'denied') return add(this.denied, status.size)
    const now = statusNow(store, aside)
    if (now === undefined) return undefined // another collector put it back
    if (this.#isYoung(now, path) || this.#isThere(neededBy)) {
      await unlessLost(() => putBack(store, aside, path))
      return undefined
    }
    store.remove(aside)
    this.#folders.add(parentOf(path))
    return status.size
  }

  /** What was removed so far stays removed, after a loss of power as well. */
  async settle(): Promise<void> {
    for (const folder of this.#folders) await unlessLost(() => this.#store.sync(folder))
    this.#folders.clear()
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

/** A note of the history has a name too long to be kept in another; it is lost to a crash, its record is not. */
function asidePath(path: StorePath): StorePath {
  const random = randomBytes(8).toString('hex')
  return `${TMP}/${isCollected(path) ? `${ASIDE}${flatName(path)}!${random}` : random}`
}

/** Files that a collector had aside when it was killed: nobody had looked at their times. */
export async function putBackAll(root: string): Promise<void> {
  const store = storeFolder(root)
  for (const { name, type } of store.list(TMP) ?? []) {
    const match = ASIDE_NAME.exec(name)
    if (match === null || type !== constants.S_IFREG) continue
    await unlessLost(() => putBack(store, `${TMP}/${name}`, match[1].replaceAll('!', '/')))
  }
}

/** Where another file has the name by now, that one is as good. */
async function putBack(store: StoreFolder, aside: StorePath, path: StorePath): Promise<void> {
  await store.makeFolder(parentOf(path))
  store.link(aside, path)
  await store.sync(parentOf(path))
  store.remove(aside)
}

/** What is gone meanwhile, or lies behind a link by now, is not ours to deal with. */
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

/** tmp/ is not everybody's to look into. */
const NOT_SEEN = ['EACCES', 'STORE_FOLDER']

function unlessErrno<T>(codes: string[], call: () => T): T | undefined {
  try {
    return call()
  } catch (error) {
    if (codes.includes((error as NativeError).code)) return undefined
    throw error
  }
}

/** Of a file that is opened for it: an NFS client then asks the server for its times. */
function statusNow(store: StoreFolder, path: StorePath): FileStatus | undefined {
  // What cannot be opened, such as a link, has a time as well.
  const fd = unlessErrno(['ENOENT', 'EACCES', 'ELOOP', 'ENXIO'], () => store.open(path))
  if (fd === undefined) return unlessErrno(NOT_SEEN, () => store.status(path))
  try {
    return fstatAt(fd)
  } finally {
    closeSync(fd)
  }
}
