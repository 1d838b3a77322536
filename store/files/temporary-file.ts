/**
 * Whole or absent: a file is written under a random name in the store's tmp/, flushed, and gets its real name by
 * link(2), which never replaces. A crash leaves at most a file in tmp/, which `compose gc` removes.
 *
 * Who may read the file is settled before it has its name, and whoever made the folder that it lies in.
 */
import type { HeldFile } from '../disk/index.ts'
import { EVERYONE, type FileAccess, setAccess } from './file-access.ts'
import { storeFolder } from './held-folder.ts'
import { parentOf, type StoreFolder, type StorePath } from './store-folder.ts'
import { isCollected, touchFiles } from './touch.ts'

/** How often a folder may be replaced by another publisher's before we give up; twice in a row takes some doing. */
const ATTEMPTS = 5

export class TemporaryFile {
  readonly path: StorePath
  readonly handle: HeldFile
  readonly #store: StoreFolder
  #gone = false

  private constructor(store: StoreFolder, { path, file }: ReturnType<StoreFolder['create']>) {
    this.#store = store
    this.path = path
    this.handle = file
  }

  static create(storeRoot: string): TemporaryFile {
    const store = storeFolder(storeRoot)
    return new TemporaryFile(store, store.create())
  }

  /**
   * Give the file its name, unless another is there, which is then taken to be the same: names are digests.
   * @param access who may read it; of a file that is there already nothing changes
   * @returns whether this file became the one of that name
   * @throws StrataError STORE_ACCESS where the file system cannot say who may read it
   */
  async publish(target: StorePath, access: FileAccess = EVERYONE): Promise<boolean> {
    await this.#settle(target, access)
    const isFirst = await this.#inFolder(target, () => {
      const isOurs = this.#store.link(this.path, target)
      if (!isOurs) this.#relyOn(target)
      return isOurs
    })
    await this.discard()
    await this.#store.settle(parentOf(target))
    return isFirst
  }

  /** Give the file a name that another file may have; that one is gone then. @throws as publish */
  async replace(target: StorePath, access: FileAccess = EVERYONE): Promise<void> {
    await this.#settle(target, access)
    await this.#inFolder(target, () => this.#store.rename(this.path, target))
    this.#gone = true
    await this.handle.close()
    await this.#store.settle(parentOf(target))
  }

  /** Remove the file if it has not got a name. Calling it twice is fine. */
  async discard(): Promise<void> {
    if (this.#gone) return
    this.#gone = true
    await this.handle.close()
    this.#store.remove(this.path)
  }

  async #settle(target: StorePath, access: FileAccess): Promise<void> {
    setAccess(this.handle.fd, this.#store.shown(target), access)
    await this.handle.sync()
  }

  /** Another publisher's folder may take the place of an empty one between our look at it and our file. */
  async #inFolder<T>(target: StorePath, work: () => T): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      await this.#store.makeFolder(parentOf(target))
      try {
        return work()
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || attempt === ATTEMPTS) throw error
      }
    }
  }

  /** Another file is taken for this one: `compose gc` must not take it away (spec/store-layout.md#gc). */
  #relyOn(target: StorePath): void {
    if (!isCollected(target) || touchFiles(this.#store.root, [target]).length === 0) return
    const path = this.#store.shown(target)
    throw Object.assign(new Error(`ENOENT: ${path} was removed meanwhile`), {
      code: 'ENOENT',
      syscall: 'link',
      path
    })
  }
}
