/**
 * Whole or absent: a file is written under a random name in the store's tmp/, flushed, and gets its real name by
 * link(2), which never replaces. A crash leaves at most a file in tmp/, which `compose gc` removes.
 */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, link, mkdir, open, rename, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { TMP } from './store-layout.ts'

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
    return new TemporaryFile(path, await open(path, flags, 0o600))
  }

  /**
   * Give the file its name, unless another is there, which is then taken to be the same: names are digests.
   * @param target absolute
   * @returns whether this file became the one of that name
   */
  async publish(target: string): Promise<boolean> {
    await this.#settle()
    await makeFolder(dirname(target))
    const isFirst = await link(this.path, target).then(
      () => true,
      error => {
        if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
        throw error
      }
    )
    await this.discard()
    await syncFolder(dirname(target))
    return isFirst
  }

  /** Give the file a name that another file may have; that one is gone then. */
  async replace(target: string): Promise<void> {
    await this.#settle()
    await makeFolder(dirname(target))
    await rename(this.path, target)
    this.#gone = true
    await this.handle.close()
    await syncFolder(dirname(target))
  }

  /** Remove the file if it has not got a name. Calling it twice is fine. */
  async discard(): Promise<void> {
    if (this.#gone) return
    this.#gone = true
    await this.handle.close()
    await unlink(this.path)
  }

  async #settle(): Promise<void> {
    await this.handle.chmod(0o444)
    await this.handle.sync()
  }
}

/** Like mkdir -p, and each new folder is in its parent's listing for good. */
export async function makeFolder(path: string): Promise<void> {
  const made = await mkdir(path, { recursive: true })
  if (made === undefined) return
  const parents: string[] = []
  for (let folder = path; folder.length >= made.length; folder = dirname(folder))
    parents.push(dirname(folder))
  for (const parent of parents) await syncFolder(parent)
}

export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

export const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    error => {
      if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code!)) return false
      throw error
    }
  )
