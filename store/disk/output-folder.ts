/**
 * The folder in which an output gets its name. Root writes outputs into folders of other users too, who can put a link in
 * the place of any folder on the way, or exchange the folders themselves, while an image is built. So the folder is
 * opened once, and everything is done below its descriptor.
 */
import { closeSync, constants as fsConstants, fstatSync, openSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { constants, readlinkAt } from '../../native/index.ts'
import { pathFromText, StrataError, showPath } from '../values/index.ts'
import { isTrusted } from './fault-above.ts'
import { syncFolder } from './sync-folder.ts'

const { O_DIRECTORY, O_NOFOLLOW, O_PATH } = constants

export class OutputFolder {
  /** The output's name in the very folder, as long as that is open. */
  readonly target: string
  readonly #fd: number
  #isOpen = true

  /**
   * @param target as it was typed: a relative path begins at the folder in which the command runs, whatever its name is by now
   * @throws StrataError FOLDER_UNSAFE if a link of another user leads root there; the system's error
   */
  constructor(target: string) {
    const folder = dirname(target)
    const isRoot = process.geteuid!() === 0
    this.#fd = isRoot ? new Walk(target).to(folder) : openSync(folder, O_PATH | O_DIRECTORY)
    this.target = `/proc/self/fd/${this.#fd}/${basename(target)}${target.endsWith('/') ? '/' : ''}`
  }

  /** Makes the names in it survive a loss of power. */
  sync(): Promise<void> {
    return syncFolder(`/proc/self/fd/${this.#fd}`)
  }

  /** Calling it twice is fine. */
  close(): void {
    if (this.#isOpen) closeSync(this.#fd)
    this.#isOpen = false
  }
}

const namesOf = (path: string): string[] => path.split('/').filter(name => name !== '' && name !== '.')

const startOf = (path: string): number => openSync(path.startsWith('/') ? '/' : '.', O_PATH | O_DIRECTORY)

/** Linux follows as many (path_resolution(7)). */
const MOST_LINKS = 40

/** One step at a time, each from the descriptor of the one before. */
class Walk {
  readonly #target: string
  #fd = -1
  #links = 0

  constructor(target: string) {
    this.#target = target
  }

  /** @returns an O_PATH descriptor of the folder */
  to(folder: string): number {
    this.#fd = startOf(folder)
    try {
      const ahead = namesOf(folder)
      for (let name = ahead.shift(); name !== undefined; name = ahead.shift()) {
        const link = this.#enter(name)
        if (link === undefined) continue
        if (link.startsWith('/')) this.#moveTo(startOf('/'))
        ahead.unshift(...namesOf(link))
      }
      return this.#fd
    } catch (error) {
      closeSync(this.#fd)
      throw error
    }
  }

  /** @returns where a link leads; undefined for a folder, which was entered */
  #enter(name: string): string | undefined {
    const place = `/proc/self/fd/${this.#fd}/${name}`
    try {
      // With O_DIRECTORY, the kernel mounts what an automounter offers there.
      this.#moveTo(openSync(place, O_PATH | O_DIRECTORY | O_NOFOLLOW))
      return undefined
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'ENOTDIR' && code !== 'ELOOP') throw error
      return this.#readLink(place, name, error)
    }
  }

  #readLink(place: string, name: string, notFolder: unknown): string {
    const fd = openSync(place, O_PATH | O_NOFOLLOW)
    try {
      const { mode, uid } = fstatSync(fd)
      if ((mode & fsConstants.S_IFMT) !== fsConstants.S_IFLNK || ++this.#links > MOST_LINKS) throw notFolder
      if (!isTrusted(uid)) throw linkOfOther(this.#target, name, uid)
      return Buffer.from(readlinkAt(fd, ''), 'latin1').toString()
    } finally {
      closeSync(fd)
    }
  }

  #moveTo(fd: number): void {
    closeSync(this.#fd)
    this.#fd = fd
  }
}

function linkOfOther(target: string, name: string, uid: number): StrataError {
  const [shown, link] = [target, name].map(text => showPath(pathFromText(text)))
  return new StrataError('FOLDER_UNSAFE', {
    message: `${shown} is not written as root: ${link} on the way is a symbolic link of user ${uid}, who would choose where to`,
    facts: { file: shown },
    hint: `name the folder without links: realpath ${showPath(pathFromText(dirname(target)))}`
  })
}
