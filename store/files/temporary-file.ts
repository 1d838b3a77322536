/**
 * Files that are whole or absent: a file is written under a random name in the store's tmp/, flushed, and gets its real
 * name by link(2), which never replaces a file. A crash leaves at most a file in tmp/, which `compose gc` removes.
 *
 * The file's access is set before it gets its name, and does not depend on the maker of its folder.
 */
import { constants } from '../../native/index.ts'
import type { HeldFile } from '../disk/index.ts'
import { notePublished, noteUnneeded } from '../values/index.ts'
import { EVERYONE, type FileAccess, setAccess } from './file-access.ts'
import { storeFolder } from './held-folder.ts'
import { parentOf, type StoreFolder, type StorePath } from './store-folder.ts'
import { REFS } from './store-layout.ts'
import { isCollected, touchFiles } from './touch.ts'

const { O_NOFOLLOW, O_RDWR } = constants

/** Times that another publisher may replace the folder before we give up; even two in a row are unlikely. */
const ATTEMPTS = 5

export class TemporaryFile {
  readonly path: StorePath
  readonly #store: StoreFolder
  #file: HeldFile
  #gone = false

  private constructor(store: StoreFolder, { path, file }: ReturnType<StoreFolder['create']>) {
    this.#store = store
    this.path = path
    this.#file = file
  }

  static create(storeRoot: string): TemporaryFile {
    const store = storeFolder(storeRoot)
    return new TemporaryFile(store, store.create())
  }

  get handle(): HeldFile {
    return this.#file
  }

  /** Closes the descriptor of a file that is not needed for a while, so that few are open. */
  async rest(): Promise<void> {
    await this.#file.close()
  }

  /** Opens a file again after `rest`. Nobody else may write to it, or give its name away. */
  wake(): void {
    if (this.#file.fd < 0) this.#file = this.#store.openFile(this.path, O_RDWR | O_NOFOLLOW)
  }

  /**
   * Gives the file its name. If a file of that name exists, that one stays: names are digests, so both are the same.
   * @param access for a new file; an existing file keeps its own
   * @returns true if this file got the name
   * @throws StrataError STORE_ACCESS if the file system cannot express the access
   */
  async publish(target: StorePath, access: FileAccess = EVERYONE): Promise<boolean> {
    await this.#settle(target, access)
    const isFirst = await this.#inFolder(target, () => {
      const isOurs = this.#store.link(this.path, target)
      if (isOurs) this.#note(target)
      else this.#relyOn(target)
      return isOurs
    })
    await this.discard()
    await this.#store.settle(parentOf(target))
    return isFirst
  }

  /** Gives the file its name, replacing a file of that name. @throws as publish */
  async replace(target: StorePath, access: FileAccess = EVERYONE): Promise<void> {
    await this.#settle(target, access)
    await this.#inFolder(target, () => this.#store.rename(this.path, target))
    this.#note(target)
    this.#gone = true
    await this.#file.close()
    await this.#store.settle(parentOf(target))
  }

  /** Removes the file if it has not got a name. Calling it twice is fine. */
  async discard(): Promise<void> {
    if (this.#gone) return
    this.#gone = true
    await this.#file.close()
    this.#store.remove(this.path)
  }

  async #settle(target: StorePath, access: FileAccess): Promise<void> {
    this.wake()
    setAccess(this.#file.fd, this.#store.displayPath(target), access)
    await this.#file.sync()
  }

  /** Used in the message about a command that was stopped. */
  #note(target: StorePath): void {
    if (isCollected(target)) noteUnneeded(this.#store.root)
    else if (target.startsWith(`${REFS}/`)) notePublished(this.#store.root, target.slice(REFS.length + 1))
  }

  /** Another publisher's folder may replace an empty one after we made it and before our file is in it. */
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

  /**
   * Relies on another publisher's file in place of this one: `compose gc` must not remove it (spec/store-layout.md#gc).
   */
  #relyOn(target: StorePath): void {
    if (!isCollected(target) || touchFiles(this.#store.root, [target]).length === 0) return
    const path = this.#store.displayPath(target)
    throw Object.assign(new Error(`ENOENT: ${path} was removed meanwhile`), {
      code: 'ENOENT',
      syscall: 'link',
      path
    })
  }
}
