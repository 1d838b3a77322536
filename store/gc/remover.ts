/**
 * Takes files away while others may be about to rely on them (spec/store-layout.md#gc): a file is first moved aside
 * into tmp/, then asked for its times once more. Either whoever touched it did so before, and it gets its name back,
 * or he finds that it is gone.
 */
import { randomBytes } from 'node:crypto'
import type { BigIntStats } from 'node:fs'
import { link, lstat, open, readdir, rename, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { TMP } from '../store-layout.ts'
import { syncFolder } from '../temporary-file.ts'
import { claimPath, flatName, isCollected, isThere, READ_FLAGS } from './touch.ts'

/** Names in tmp/ of files that are moved aside begin so; the path follows with `!` for `/`, then random digits. */
const ASIDE = 'removed!'
const ASIDE_NAME = /^removed!((?:blobs|data|objects)![A-Za-z0-9!._-]+)![0-9a-f]{16}$/

export interface Amount {
  files: number
  bytes: number
}

export class Remover {
  /** Not needed by anything, but younger than the grace period. */
  readonly young: Amount = { files: 0, bytes: 0 }
  /** Not ours to remove: other users' in a folder where each may only remove his own. */
  readonly denied: Amount = { files: 0, bytes: 0 }
  readonly #root: string
  readonly #keptFromNs: bigint
  readonly #isDryRun: boolean
  readonly #folders = new Set<string>()
  readonly #wouldBeGone = new Set<string>()

  /** @param keptFromNs what was touched then or later stays */
  constructor(root: string, keptFromNs: bigint, isDryRun: boolean) {
    this.#root = root
    this.#keptFromNs = keptFromNs
    this.#isDryRun = isDryRun
  }

  /**
   * @param neededBy a file that keeps this one, should it be there
   * @returns its size, undefined when it stays
   */
  async remove(path: string, neededBy?: string): Promise<number | undefined> {
    const status = await statusOf(path)
    if (status === undefined || !status.isFile()) return undefined
    const sizeBytes = Number(status.size)
    if (await this.#isYoung(status, path)) return add(this.young, sizeBytes)
    if (await this.#isThere(neededBy)) return undefined
    if (this.#isDryRun) {
      this.#wouldBeGone.add(path)
      return sizeBytes
    }
    const aside = this.#asidePath(path)
    const isMoved = await this.#move(path, aside)
    if (isMoved === 'gone') return undefined
    if (isMoved === 'denied') return add(this.denied, sizeBytes)
    const now = await statusNow(aside)
    if (now === undefined) return undefined // another collector put it back
    if ((await this.#isYoung(now, path)) || (await this.#isThere(neededBy))) {
      await putBack(aside, path)
      return undefined
    }
    await unlink(aside).catch(ignore('ENOENT'))
    this.#folders.add(dirname(path))
    return sizeBytes
  }

  /** What was removed so far stays removed, after a loss of power as well. */
  async settle(): Promise<void> {
    for (const folder of this.#folders) await syncFolder(folder)
    this.#folders.clear()
  }

  async #isThere(path: string | undefined): Promise<boolean> {
    return path !== undefined && !this.#wouldBeGone.has(path) && isThere(path)
  }

  async #isYoung(status: BigIntStats, path: string): Promise<boolean> {
    if (status.mtimeNs >= this.#keptFromNs) return true
    if (!isCollected(this.#root, path)) return false
    const claim = await statusNow(claimPath(this.#root, path))
    return claim !== undefined && claim.mtimeNs >= this.#keptFromNs
  }

  /** A note of the history has a name too long to be kept in another; it is lost to a crash, its record is not. */
  #asidePath(path: string): string {
    const random = randomBytes(8).toString('hex')
    const name = isCollected(this.#root, path) ? `${ASIDE}${flatName(this.#root, path)}!${random}` : random
    return join(this.#root, TMP, name)
  }

  async #move(path: string, aside: string): Promise<'moved' | 'gone' | 'denied'> {
    try {
      await rename(path, aside)
      return 'moved'
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT') return 'gone'
      if (code === 'EPERM' || code === 'EACCES') return 'denied'
      throw error
    }
  }
}

/** Files that a collector had aside when it was killed: nobody had looked at their times. */
export async function putBackAll(root: string): Promise<void> {
  for (const name of await readdir(join(root, TMP))) {
    const match = ASIDE_NAME.exec(name)
    if (match === null || match[1].includes('..')) continue
    await putBack(join(root, TMP, name), join(root, match[1].replaceAll('!', '/')))
  }
}

/** Where another file has the name by now, that one is as good. */
async function putBack(aside: string, path: string): Promise<void> {
  await link(aside, path).catch(ignore('EEXIST', 'ENOENT'))
  await syncFolder(dirname(path))
  await unlink(aside).catch(ignore('ENOENT'))
}

function add(amount: Amount, sizeBytes: number): undefined {
  amount.files++
  amount.bytes += sizeBytes
}

const statusOf = (path: string): Promise<BigIntStats | undefined> =>
  lstat(path, { bigint: true }).catch(ignore('ENOENT', 'EACCES')) // tmp/ is not everybody's to look into

/** Of a file that is opened for it: an NFS client then asks the server for its times. */
async function statusNow(path: string): Promise<BigIntStats | undefined> {
  // What cannot be opened, such as a link, has a time as well.
  const file = await open(path, READ_FLAGS).catch(ignore('ENOENT', 'EACCES', 'ELOOP', 'ENXIO'))
  if (file === undefined) return statusOf(path)
  try {
    return await file.stat({ bigint: true })
  } finally {
    await file.close()
  }
}

const ignore =
  (...codes: string[]) =>
  (error: NodeJS.ErrnoException): undefined => {
    if (!codes.includes(error.code ?? '')) throw error
  }
