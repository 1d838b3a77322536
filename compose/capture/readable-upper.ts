/**
 * Lets an ordinary user read all of the changes in an overlay folder (spec/capture.md#overlays). A program may have left
 * files of mode 000 there, as /etc/shadow has on some distributions; only their owner's rights are missing. They are given
 * for as long as the folder is read, and written down before, so that the next command takes them back after a kill.
 */
import {
  chmodSync,
  closeSync,
  fstatSync,
  openSync,
  readdirSync,
  rmSync,
  type Stats,
  writeSync
} from 'node:fs'
import { join } from 'node:path'
import { constants, openBeneath } from '../../native/index.ts'
import { type PathBytes, pathFromBuffer, pathToBuffer, whenStopped } from '../../store/values/index.ts'
import { openUpper, ownBytes } from './overlay-folder.ts'

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_PATH, O_WRONLY } = constants

/** Fields `MODE PATH`, with a NUL behind each. */
const NOTES = 'modes'
const PERMISSIONS = 0o7777

export class ReadableUpper {
  /** The modes of paths of which the user could not read all. */
  readonly modes = new Map<PathBytes, number>()
  readonly #folder: string
  readonly #top: number
  readonly #forget: () => void
  #notes: number | undefined
  #hasEnded = false

  /** @param folder a path of the very folder, which this user holds. @throws Error of the system; USAGE, as holdOverlay */
  constructor(folder: string) {
    this.#folder = folder
    takeBack(folder)
    this.#top = openUpper(folder)
    this.#forget = whenStopped(() => this.end())
    try {
      if (process.geteuid?.() !== 0) this.#open('')
    } catch (error) {
      this.end()
      throw error
    }
  }

  /** As it is without the rights that were given. */
  statusOf(path: PathBytes, status: Stats): Stats {
    const mode = this.modes.get(path)
    if (mode !== undefined) status.mode = (status.mode & ~PERMISSIONS) | mode
    return status
  }

  /**
   * Uses a descriptor of a path for its inode alone (O_PATH).
   * @throws Error of the system, ELOOP if a link stands where a folder was
   */
  at<T>(path: PathBytes, use: (fd: number) => T): T {
    const fd = openAt(this.#top, path)
    try {
      return use(fd)
    } finally {
      closeSync(fd)
    }
  }

  /** Doing so twice is fine. */
  end(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#forget()
    closeSync(this.#top)
    if (this.#notes === undefined) return
    closeSync(this.#notes)
    takeBack(this.#folder)
  }

  #open(path: PathBytes): void {
    const names = withInode(this.#top, path, (inode, status) => {
      const mode = status.mode & PERMISSIONS
      const wanted = mode | rightsFor(status)
      if (wanted !== mode) {
        this.#note(path, mode)
        chmodSync(inode, wanted)
      }
      return status.isDirectory() ? readdirSync(inode, { encoding: 'buffer' }) : []
    })
    for (const name of names)
      this.#open(path === '' ? pathFromBuffer(name) : `${path}/${pathFromBuffer(name)}`)
  }

  #note(path: PathBytes, mode: number): void {
    this.#notes ??= openSync(join(this.#folder, NOTES), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
    writeSync(
      this.#notes,
      Buffer.concat([Buffer.from(`${mode.toString(8)} `), pathToBuffer(path), Buffer.of(0)])
    )
    this.modes.set(path, mode)
  }
}

/** What reading takes; nothing for other users' files, which no run of this user makes, and for links and devices. */
function rightsFor(status: Stats): number {
  if (status.uid !== process.geteuid?.()) return 0
  if (status.isDirectory()) return 0o500
  return status.isFile() || status.isFIFO() ? 0o400 : 0
}

/**
 * Takes back what a command gave. Folders come last, since paths lead through them. A path that a program has changed since
 * then stays as it is, and notes of another user count for nothing.
 */
function takeBack(folder: string): void {
  const notes = join(folder, NOTES)
  const found = notesIn(notes)
  if (found === undefined) return
  const top = openUpper(folder)
  try {
    for (const { path, mode } of found.reverse())
      withInode(top, path, (inode, status) => {
        if ((status.mode & PERMISSIONS) === (mode | rightsFor(status))) chmodSync(inode, mode)
      })
  } finally {
    closeSync(top)
  }
  rmSync(notes)
}

function notesIn(file: string): { path: PathBytes; mode: number }[] | undefined {
  const bytes = ownBytes(file)
  const fields = bytes
    ?.subarray(0, bytes.lastIndexOf(0) + 1)
    .toString('latin1')
    .split('\0')
    .slice(0, -1)
  return fields?.map(field => {
    const cut = field.indexOf(' ')
    return {
      mode: Number.parseInt(field.slice(0, cut), 8) & PERMISSIONS,
      path: field.slice(cut + 1) as PathBytes
    }
  })
}

/** A path of the very inode; a link is not followed. */
export const placeOf = (fd: number): string => `/proc/self/fd/${fd}`

const openAt = (top: number, path: PathBytes): number =>
  openBeneath(top, path === '' ? Buffer.from('.') : pathToBuffer(path), O_PATH | O_NOFOLLOW)

/** @param work gets a path of the very inode; not called for a path that is gone */
function withInode<T>(top: number, path: PathBytes, work: (inode: string, status: Stats) => T): T | [] {
  let fd: number
  try {
    fd = openAt(top, path)
  } catch (error) {
    if (GONE.includes((error as NodeJS.ErrnoException).code ?? '')) return []
    throw error
  }
  try {
    return work(placeOf(fd), fstatSync(fd))
  } finally {
    closeSync(fd)
  }
}

const GONE = ['ENOENT', 'ENOTDIR', 'ELOOP', 'EXDEV', 'EACCES']
