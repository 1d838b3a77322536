/**
 * Paths of this host that become a layer. Each is taken with the directories above it and with every symbolic link on
 * the way, so that it is found in the layer as on the host (spec/sources.md#host).
 */
import { closeSync, openSync } from 'node:fs'
import {
  constants,
  type FileStatus,
  fstatAt,
  type NativeError,
  openBeneath,
  readDirAt,
  readlinkAt
} from '../../../native/index.ts'
import { DirectorySource } from '../../../store/directory/index.ts'
import { type PathBytes, pathFromText } from '../../../store/values/index.ts'

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_PATH, O_RDONLY, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } = constants

/** Linux follows as many before it fails with ELOOP. */
const MOST_LINKS = 40
const ABSENT = new Set(['ENOENT', 'ENOTDIR'])

export interface HostEntry {
  status: FileStatus
  /** Target of a symbolic link. */
  target?: PathBytes
}

export class HostTree {
  readonly source: DirectorySource
  readonly #root: number
  /** Taken entries, by path relative to the root. */
  readonly #taken = new Map<PathBytes, HostEntry>()

  /** @param root folder that is used as the host's root; stays open until `close` */
  constructor(root: string) {
    this.source = new DirectorySource(root)
    this.#root = this.source.attempt('', () => openSync(root, O_RDONLY | O_DIRECTORY))
  }

  close(): void {
    closeSync(this.#root)
  }

  /** Taken entries in byte order of their paths, so directories come before their content. */
  taken(): [PathBytes, HostEntry][] {
    return [...this.#taken].sort(([a], [b]) => (a < b ? -1 : 1))
  }

  /**
   * Takes a path and everything on the way to it.
   * @param path absolute, or relative to the root
   * @param followLast also take the target of a link at the end
   * @returns the path without links; undefined if it does not exist
   * @throws StrataError IO
   */
  take(path: PathBytes, { followLast }: { followLast: boolean }): PathBytes | undefined {
    const way = this.#follow(path, followLast)
    if (way === undefined) return undefined
    for (const [step, entry] of way.steps) this.#taken.set(step, entry)
    return way.end
  }

  /** Removes taken paths; emptied directories stay. @returns number of removed paths */
  drop(matches: (path: PathBytes) => boolean): number {
    const dropped = [...this.#taken.keys()].filter(matches)
    for (const path of dropped) this.#taken.delete(path)
    return dropped.length
  }

  /** @param path without links */
  isTaken(path: PathBytes): boolean {
    return this.#taken.has(path)
  }

  /** Resolves a path without taking anything. */
  resolve(path: PathBytes, { followLast }: { followLast: boolean }): PathBytes | undefined {
    return this.#follow(path, followLast)?.end
  }

  status(path: PathBytes): FileStatus | undefined {
    return this.#lookUp(path)?.status
  }

  /** @param path without links */
  isFile(path: PathBytes): boolean {
    const status = this.status(path)
    return status !== undefined && (status.mode & S_IFMT) === S_IFREG
  }

  /** Names in a directory, in byte order. @param path without links */
  names(path: PathBytes): PathBytes[] {
    const fd = this.openForReading(path, O_DIRECTORY)
    try {
      return this.source.attempt(path, () => readDirAt(fd)).names.sort()
    } finally {
      closeSync(fd)
    }
  }

  /**
   * Opens a file; the caller closes the descriptor.
   * @param path without links
   * @throws StrataError IO, SOURCE_CHANGED
   */
  openForReading(path: PathBytes, flags = 0): number {
    return this.source.attempt(path, () => this.#open(path, O_RDONLY | O_NONBLOCK | flags))
  }

  /** Opens only the inode; the caller closes the descriptor. */
  openInode(path: PathBytes): number {
    return this.source.attempt(path, () => this.#open(path, O_PATH))
  }

  #open = (path: PathBytes, flags: number): number =>
    openBeneath(this.#root, path === '' ? '.' : path, flags | O_NOFOLLOW)

  #follow(
    path: PathBytes,
    followLast: boolean
  ): { steps: [PathBytes, HostEntry][]; end: PathBytes } | undefined {
    const steps: [PathBytes, HostEntry][] = []
    const ahead = components(path)
    let at: PathBytes[] = []
    for (let hops = 0; ahead.length > 0; ) {
      const name = ahead.shift()!
      if (name === '..') {
        at.pop()
        continue
      }
      const here = [...at, name].join('/')
      const entry = this.#taken.get(here) ?? this.#lookUp(here)
      if (entry === undefined) return undefined
      steps.push([here, entry])
      const isLast = ahead.length === 0
      if (entry.target !== undefined && (!isLast || followLast)) {
        if (++hops > MOST_LINKS) return undefined
        if (entry.target.startsWith('/')) at = []
        ahead.unshift(...components(entry.target))
      } else if (isLast || isDirectory(entry)) at.push(name)
      else return undefined
    }
    return { steps, end: at.join('/') }
  }

  /** Returns undefined if the path does not exist. */
  #lookUp(path: PathBytes): HostEntry | undefined {
    let fd: number
    try {
      fd = this.#open(path, O_PATH)
    } catch (error) {
      if (ABSENT.has((error as NativeError).code)) return undefined
      return this.source.attempt(path, () => {
        throw error
      })
    }
    try {
      const status = fstatAt(fd)
      const isLink = (status.mode & S_IFMT) === S_IFLNK
      return { status, ...(isLink && { target: this.source.attempt(path, () => readlinkAt(fd, '')) }) }
    } finally {
      closeSync(fd)
    }
  }
}

export const isDirectory = ({ status }: HostEntry): boolean => (status.mode & S_IFMT) === S_IFDIR

const components = (path: PathBytes): PathBytes[] =>
  path.split('/').filter(name => name !== '' && name !== '.')

/** A path that a user typed, relative to the root. */
export const typedPath = (text: string): PathBytes => components(pathFromText(text)).join('/')
