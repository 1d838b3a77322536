/**
 * Whole or absent: a file is written under a random name in the store's tmp/, flushed, and gets its real name by
 * link(2), which never replaces. A crash leaves at most a file in tmp/, which `compose gc` removes.
 *
 * Who may read the file is settled before it has its name, and whoever made the folder that it lies in. On NFS a call
 * that was done may be answered as if it could not be, because the first answer was lost (spec/store-layout.md#nfs).
 */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, link, lstat, mkdir, open, rename, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { EVERYONE, type FileAccess, setAccess } from './access/file-access.ts'
import { makeLike } from './access/make-like.ts'
import { isCollected, touchFiles } from './gc/touch.ts'
import { TMP } from './store-layout.ts'
import { syncFolder, syncFolders } from './sync-folder.ts'
import { namingFile } from './system-error.ts'

export { syncFolder } from './sync-folder.ts'

/** How often a folder may be replaced by another publisher's before we give up; twice in a row takes some doing. */
const ATTEMPTS = 5

export class TemporaryFile {
  readonly path: string
  readonly handle: FileHandle
  #gone = false

  private constructor(path: string, handle: FileHandle) {
    this.path = path
    this.handle = handle
  }

  static async create(storeRoot: string): Promise<TemporaryFile> {
    const path = join(storeRoot, TMP, randomBytes(16).toString('hex'))
    const flags = constants.O_CREAT | constants.O_EXCL | constants.O_RDWR | constants.O_NOFOLLOW
    return new TemporaryFile(path, namingFile(await open(path, flags, 0o600), path))
  }

  /**
   * Give the file its name, unless another is there, which is then taken to be the same: names are digests.
   * @param target absolute
   * @param access who may read it; of a file that is there already nothing changes
   * @returns whether this file became the one of that name
   * @throws StrataError STORE_ACCESS where the file system cannot say who may read it
   */
  async publish(target: string, access: FileAccess = EVERYONE): Promise<boolean> {
    await this.#settle(target, access)
    const isFirst = await this.#inFolder(target, async () => {
      try {
        await link(this.path, target)
        return true
      } catch (error) {
        if (!isErrno(error, 'EEXIST')) throw error
        if (await this.#isNamed(target)) return true
        await this.#relyOn(target)
        return false
      }
    })
    await this.discard()
    await syncFolders(dirname(target), this.#root)
    return isFirst
  }

  /** Give the file a name that another file may have; that one is gone then. @throws as publish */
  async replace(target: string, access: FileAccess = EVERYONE): Promise<void> {
    await this.#settle(target, access)
    await this.#inFolder(target, async () => {
      try {
        await rename(this.path, target)
      } catch (error) {
        if (!isErrno(error, 'ENOENT') || !(await this.#isNamed(target))) throw error
      }
    })
    this.#gone = true
    await this.handle.close()
    await syncFolders(dirname(target), this.#root)
  }

  /** Remove the file if it has not got a name. Calling it twice is fine. */
  async discard(): Promise<void> {
    if (this.#gone) return
    this.#gone = true
    await this.handle.close()
    await unlink(this.path).catch(error => {
      if (!isErrno(error, 'ENOENT')) throw error
    })
  }

  async #settle(target: string, access: FileAccess): Promise<void> {
    setAccess(this.handle.fd, target, access)
    await this.handle.sync()
  }

  /** Another publisher's folder may take the place of an empty one between our look at it and our file. */
  async #inFolder<T>(target: string, work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      await makeFolder(dirname(target), dirname(this.path))
      try {
        return await work()
      } catch (error) {
        if (!isErrno(error, 'ENOENT') || attempt === ATTEMPTS) throw error
      }
    }
  }

  get #root(): string {
    return dirname(dirname(this.path))
  }

  /** Another file is taken for this one: `compose gc` must not take it away (spec/store-layout.md#gc). */
  async #relyOn(target: string): Promise<void> {
    if (!isCollected(this.#root, target) || (await touchFiles(this.#root, [target])).length === 0) return
    throw Object.assign(new Error(`ENOENT: ${target} was removed meanwhile`), {
      code: 'ENOENT',
      syscall: 'link'
    })
  }

  /** Whether the name is this very file's: the call that was refused had been done before. */
  async #isNamed(target: string): Promise<boolean> {
    const [own, there] = [await this.handle.stat(), await lstat(target).catch(() => undefined)]
    return there !== undefined && own.ino === there.ino && own.dev === there.dev
  }
}

const isErrno = (error: unknown, code: string): boolean => (error as NodeJS.ErrnoException).code === code

/**
 * Like mkdir -p, and each new folder is in its parent's listing for good.
 * @param staging a folder of the same file system where a new one is made ready first: it then appears with the mode
 *   and the group of its parent, whatever the umask; without it with 0755 or what the umask leaves of that
 */
export async function makeFolder(path: string, staging?: string): Promise<void> {
  if (staging !== undefined) return makeFolders(path, staging)
  const made = await mkdir(path, { recursive: true, mode: 0o755 })
  if (made === undefined) return
  const parents: string[] = []
  for (let folder = path; folder.length >= made.length; folder = dirname(folder))
    parents.push(dirname(folder))
  for (const parent of parents) await syncFolder(parent)
}

async function makeFolders(path: string, staging: string): Promise<void> {
  if (await exists(path)) return
  const parent = dirname(path)
  await makeFolders(parent, staging)
  await makeLike(parent, path, staging)
  await syncFolder(parent)
}

export const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    error => {
      if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code!)) return false
      throw error
    }
  )
