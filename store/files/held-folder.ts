/** Implements StoreFolder: a descriptor, and paths that the kernel resolves from it. */
import { randomBytes } from 'node:crypto'
import { accessSync, closeSync, constants as fsConstants, fsync, openSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import {
  chmodAt,
  chownAt,
  constants,
  type FileStatus,
  fstatAt,
  linkAt,
  mkdirAt,
  type NativeError,
  openBeneath,
  readDirAt,
  renameAt2,
  unlinkAt
} from '../../native/index.ts'
import { HeldFile, removeOwnTree } from '../disk/index.ts'
import { StrataError, showPath, whenStopped } from '../values/index.ts'
import { type Entry, parentOf, READ, type StoreFolder, type StorePath } from './store-folder.ts'
import { TMP } from './store-layout.ts'

const { AT_REMOVEDIR, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_PATH, O_RDONLY, O_RDWR } = constants
const { S_IFDIR, S_IFLNK, S_IFMT } = constants

const FOLDER = O_PATH | O_DIRECTORY
const LISTING = O_RDONLY | O_DIRECTORY
const SETGID = 0o2000
const MODE_BITS = 0o7777

const held = new Map<string, HeldFolder>()

/**
 * Each process opens a root once, at the first request. If no store has been made, nothing is found in it. The root
 * itself may be reached through links, which is for users to choose.
 */
export function storeFolder(root: string): StoreFolder {
  const there = held.get(root) ?? new HeldFolder(root)
  held.set(root, there)
  return there
}

/**
 * Like `storeFolder`, but opens the root again if it was exchanged: a store may have been removed and another one made
 * there. For commands that begin to work with a store.
 * @throws ENOENT, ENOTDIR, EACCES
 */
export function holdStore(root: string): StoreFolder {
  const fd = openSync(root, FOLDER)
  const there = held.get(root)
  if (there !== undefined && isSame(there.status(''), fstatAt(fd))) {
    closeSync(fd)
    return there
  }
  const store = new HeldFolder(root, fd)
  held.set(root, store)
  return store
}

const flush = promisify(fsync)

class HeldFolder implements StoreFolder {
  readonly root: string
  #opened: number | undefined
  /** Folders whose names were flushed to disk, up to the root, as far as this process knows. */
  readonly #settled = new Set<string>()
  /** By path of an unnamed file, a function that forgets it. Such files are removed when the command is stopped. */
  readonly #unnamed = new Map<StorePath, () => void>()

  constructor(root: string, fd?: number) {
    this.root = root
    this.#opened = fd
  }

  get #fd(): number {
    this.#opened ??= openSync(this.root, FOLDER)
    return this.#opened
  }

  displayPath(path: StorePath): string {
    return path === '' ? this.root : join(this.root, showPath(path))
  }

  open(path: StorePath, flags = READ): number {
    return this.#open(path, flags)
  }

  openFile(path: StorePath, flags = READ): HeldFile {
    return new HeldFile(this.#open(path, flags), this.displayPath(path))
  }

  withInode<T>(path: StorePath, use: (fd: number) => T): T | undefined {
    const fd = unlessMissing(() => this.#open(path, O_PATH | O_NOFOLLOW))
    return fd === undefined ? undefined : withDescriptor(fd, use)
  }

  within<T>(path: StorePath, use: (folder: StoreFolder) => T): T | undefined {
    const fd = unlessMissing(() => this.#open(path, FOLDER))
    return fd === undefined
      ? undefined
      : withDescriptor(fd, () => use(new HeldFolder(this.displayPath(path), fd)))
  }

  status(path: StorePath): FileStatus | undefined {
    return unlessMissing(() => this.#at(path, (folder, name) => fstatAt(folder, name)))
  }

  isThere(path: StorePath): boolean {
    try {
      return unlessMissing(() => withDescriptor(this.#open(path, READ), () => true)) ?? false
    } catch (error) {
      // A file that we may not read is there. For a link or a socket, the reader reports what is wrong.
      if (isErrno(error, ['EACCES', 'ELOOP', 'ENXIO'])) return true
      throw error
    }
  }

  askAnew(folder: StorePath): void {
    ignoreErrors(['ENOENT', 'ENOTDIR', 'EACCES'], () => closeSync(this.#open(folder, LISTING)))
  }

  mayWrite(folder: StorePath): boolean {
    return this.withInode(folder, fd => isWritable(`/proc/self/fd/${fd}`)) ?? false
  }

  list(path: StorePath): Entry[] | undefined {
    return unlessMissing(() =>
      withDescriptor(this.#open(path, LISTING), folder => {
        const { names, types } = readDirAt(folder)
        return names
          .map((name, i) => ({ name, type: types[i] === 0 ? typeIn(folder, name) : types[i] << 12 }))
          .sort((a, b) => (a.name < b.name ? -1 : 1))
      })
    )
  }

  create(): { path: StorePath; file: HeldFile } {
    const path = unusedPath()
    const fd = this.#open(path, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, 0o600)
    this.#unnamed.set(
      path,
      whenStopped(() => this.remove(path))
    )
    return { path, file: new HeldFile(fd, this.displayPath(path)) }
  }

  link(from: StorePath, to: StorePath): boolean {
    return this.#between(from, to, (source, name, target, newName) => {
      try {
        linkAt(source, name, target, newName)
        return true
      } catch (error) {
        if (!isErrno(error, ['EEXIST'])) throw error
        return isSame(statusIn(source, name), statusIn(target, newName))
      }
    })
  }

  rename(from: StorePath, to: StorePath): void {
    this.#between(from, to, (source, name, target, newName) => {
      const moved = statusIn(source, name)
      try {
        renameAt2(source, name, target, newName)
      } catch (error) {
        if (!isErrno(error, ['ENOENT']) || !isSame(moved, statusAnew(target, newName))) throw error
      }
    })
    this.#forget(from)
  }

  giveBack(aside: StorePath, path: StorePath): boolean {
    if (this.status(aside) === undefined) return false
    this.link(aside, path)
    return this.remove(aside)
  }

  remove(path: StorePath): boolean {
    const wasThere = this.status(path) !== undefined
    const isGone = unlessMissing(() =>
      this.#at(path, (folder, name) => {
        unlinkAt(folder, name)
        return true
      })
    )
    this.#forget(path)
    return isGone ?? wasThere
  }

  #forget(path: StorePath): void {
    this.#unnamed.get(path)?.()
    this.#unnamed.delete(path)
  }

  removeTree(path: StorePath, owner?: number): boolean {
    return unlessMissing(() => this.#at(path, (folder, name) => removeOwnTree(folder, name, owner))) ?? true
  }

  mkdir(path: StorePath, mode: number): void {
    ignoreErrors(['EEXIST'], () => this.#at(path, (folder, name) => mkdirAt(folder, name, mode)))
  }

  async makeFolder(path: StorePath): Promise<void> {
    if (this.#isFolder(path)) return
    const parent = parentOf(path)
    await this.makeFolder(parent)
    this.#makeLike(parent, path)
    await this.sync(parent)
  }

  async sync(folder: StorePath): Promise<void> {
    const fd = this.#open(folder, LISTING)
    try {
      await flush(fd)
    } finally {
      closeSync(fd)
    }
  }

  async settle(folder: StorePath): Promise<void> {
    await this.sync(folder)
    const news: string[] = []
    for (let path = folder; path !== ''; path = parentOf(path)) {
      const identity = `${this.status(path)?.ino} ${path}`
      if (this.#settled.has(identity)) break
      await this.sync(parentOf(path))
      news.push(identity)
    }
    for (const identity of news) this.#settled.add(identity)
  }

  #isFolder(path: StorePath): boolean {
    return ignoreErrors(['ENOENT'], () => withDescriptor(this.#open(path, LISTING), () => true)) ?? false
  }

  /**
   * Makes the folder ready in tmp/ first. Made in place, it would have the mode that the umask leaves until chmod(2),
   * or for ever.
   */
  #makeLike(parent: StorePath, path: StorePath): void {
    const own = unusedPath() // unique, so if it exists we made it, and the answer was lost
    this.mkdir(own, 0o700)
    try {
      withDescriptor(this.#open(parent, FOLDER), like =>
        withDescriptor(this.#open(own, FOLDER), fd => inheritAccess(fd, fstatAt(like)))
      )
      this.rename(own, path)
    } catch (error) {
      ignoreErrors(['ENOENT'], () => this.#at(own, (folder, name) => unlinkAt(folder, name, AT_REMOVEDIR)))
      // EEXIST, ENOTEMPTY, or EPERM below a sticky folder: another publisher was faster.
      if (!this.#isFolder(path)) throw error
    }
  }

  #open(path: StorePath, flags: number, mode = 0): number {
    try {
      return openBeneath(this.#fd, path === '' ? '.' : path, flags, mode)
    } catch (error) {
      throw this.#nameError(error, path, flags & O_DIRECTORY ? path : parentOf(path))
    }
  }

  /** Calls `use` with the folder that holds a name. */
  #at<T>(path: StorePath, use: (folder: number, name: string) => T): T {
    const parent = parentOf(path)
    const work = (folder: number) => {
      try {
        return use(folder, nameOf(path))
      } catch (error) {
        throw this.#nameError(error, path, parent)
      }
    }
    return parent === '' ? work(this.#fd) : withDescriptor(this.#open(parent, FOLDER), work)
  }

  #between<T>(
    from: StorePath,
    to: StorePath,
    use: (source: number, name: string, target: number, newName: string) => T
  ): T {
    return this.#at(from, (source, name) =>
      this.#at(to, (target, newName) => use(source, name, target, newName))
    )
  }

  /** Names the file of an error. @param folders path whose steps should all be folders, from the root on */
  #nameError(error: unknown, path: StorePath, folders: StorePath): unknown {
    const { code, syscall, message, path: named } = error as NativeError
    if (syscall === undefined || named?.startsWith('/')) return error
    if (code === 'ELOOP' || code === 'ENOTDIR') {
      // The step that was not a folder may have been exchanged meanwhile.
      const other = this.#firstOther(folders) ?? (path === folders ? { path, type: S_IFLNK } : undefined)
      if (other !== undefined) return notAFolder(this.displayPath(other.path), other.type, error)
    }
    const shown = this.displayPath(path)
    const words = message.slice(0, message.indexOf(syscall))
    return Object.assign(error as NativeError, { path: shown, message: `${words}${syscall} '${shown}'` })
  }

  /** The first step of a path that is not a folder. */
  #firstOther(folder: StorePath): { path: StorePath; type: number } | undefined {
    const parts = folder.split('/')
    for (let end = 1; end <= parts.length; end++) {
      const path = parts.slice(0, end).join('/')
      const type = this.withInode(path, fd => fstatAt(fd).mode & S_IFMT)
      if (type === undefined) return undefined // it was exchanged meanwhile
      if (type !== S_IFDIR) return { path, type }
    }
  }
}

/** A random name in tmp/ that no other file has. */
export const unusedPath = (): StorePath => `${TMP}/${randomBytes(16).toString('hex')}`

const nameOf = (path: StorePath): string => path.slice(path.lastIndexOf('/') + 1)

function withDescriptor<T>(fd: number, use: (fd: number) => T): T {
  try {
    return use(fd)
  } finally {
    closeSync(fd)
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, fsConstants.W_OK)
    return true
  } catch {
    return false
  }
}

const isErrno = (error: unknown, codes: string[]): boolean => codes.includes((error as NativeError).code)

function ignoreErrors<T>(codes: string[], call: () => T): T | undefined {
  try {
    return call()
  } catch (error) {
    if (isErrno(error, codes)) return undefined
    throw error
  }
}

const unlessMissing = <T>(call: () => T): T | undefined => ignoreErrors(['ENOENT', 'ENOTDIR'], call)

const statusIn = (folder: number, name: string): FileStatus | undefined =>
  unlessMissing(() => fstatAt(folder, name))

/** Opening the folder makes an NFS client ask the server again; it may remember that the name was missing. */
function statusAnew(folder: number, name: string): FileStatus | undefined {
  ignoreErrors(['EACCES'], () => closeSync(openBeneath(folder, '.', LISTING)))
  return statusIn(folder, name)
}

const typeIn = (folder: number, name: string): number => (statusIn(folder, name)?.mode ?? 0) & S_IFMT

const isSame = (a: FileStatus | undefined, b: FileStatus | undefined): boolean =>
  a !== undefined && b !== undefined && a.ino === b.ino && a.dev === b.dev

/** Gives a new folder the mode and group of its parent. Below a folder without set-gid, the group stays as it is. */
function inheritAccess(fd: number, { mode, gid }: FileStatus): void {
  const own = fstatAt(fd)
  if (mode & SETGID && own.gid !== gid) chownAt(fd, '', own.uid, gid)
  chmodAt(fd, '', mode & MODE_BITS)
}

const notAFolder = (path: string, type: number, cause: unknown): StrataError =>
  type === S_IFLNK
    ? new StrataError('STORE_FOLDER', {
        message: `${path} is a symbolic link, and folders of a store are not reached through links`,
        facts: { folder: path },
        hint: `ls -l ${path} shows its owner; to keep a folder elsewhere, mount it here (mount --bind)`,
        cause
      })
    : new StrataError('STORE_FOLDER', {
        message: `${path} is not a folder, wanted one`,
        facts: { folder: path },
        hint: `ls -l ${path} shows its owner; if you remove it, the folder is made again`,
        cause
      })
