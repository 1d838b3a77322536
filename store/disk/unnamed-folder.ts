/**
 * A folder that is filled before it gets its name. The folder above may belong to another user, who can exchange its temporary
 * name for a link at any moment; so everything in it is reached by a descriptor.
 */
import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync
} from 'node:fs'
import { pathFromText, StrataError, showPath } from '../values/index.ts'
import { OutputFolder } from './output-folder.ts'
import { removeContents } from './remove-contents.ts'
import { siblingPath } from './sibling-path.ts'

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants

export class UnnamedFolder {
  /** Leads to the very folder, until it is closed. Nobody else can enter it. */
  readonly path: string
  readonly #fd: number
  readonly #above: OutputFolder
  readonly #temporary: string
  #isOpen = true

  /** @throws StrataError FOLDER_UNSAFE if another one stands in its place already; Error of the system */
  constructor(target: string) {
    this.#above = new OutputFolder(target)
    try {
      this.#temporary = siblingPath(this.#above.target)
      mkdirSync(this.#temporary, { mode: 0o700 })
      this.#fd = openOwn(this.#temporary, target)
    } catch (error) {
      this.#above.close()
      throw error
    }
    this.path = `/proc/self/fd/${this.#fd}`
  }

  /** Gives it its name. @param sync wait until that is on the disk */
  async publish(sync: boolean): Promise<void> {
    renameSync(this.#temporary, this.#above.target)
    try {
      if (sync) await this.#above.sync()
    } finally {
      this.#close()
    }
  }

  /** Removes it. After `publish` it does nothing. */
  discard(): void {
    if (!this.#isOpen) return
    try {
      removeContents(this.#fd)
      rmdirSync(this.#temporary)
    } catch (error) {
      // Somebody has moved it, and it is empty.
      if (!GONE.includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    } finally {
      this.#close()
    }
  }

  #close(): void {
    this.#isOpen = false
    closeSync(this.#fd)
    this.#above.close()
  }
}

const GONE = ['ENOENT', 'ENOTDIR', 'ENOTEMPTY']

function openOwn(path: string, target: string): number {
  const fd = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  const { uid, mode } = fstatSync(fd)
  if (uid === process.geteuid?.() && (mode & 0o077) === 0 && readdirSync(`/proc/self/fd/${fd}`).length === 0)
    return fd
  closeSync(fd)
  const shown = showPath(pathFromText(target))
  throw new StrataError('FOLDER_UNSAFE', {
    message: `${shown} is not written: another user has exchanged the new folder beside it`,
    facts: { folder: shown },
    hint: 'choose a folder that only you can write to'
  })
}
