/**
 * All that is done to files below a store's root is one of these methods (spec/store-layout.md#links).
 *
 * In a store that a group publishes to, every member can put a link in the place of a folder at any time, also between
 * a look at the folder and its use. A path that is resolved anew for each call then leads whoever follows it to another
 * place, root as well. So the root is opened once, and every path is resolved from that descriptor, by the kernel, in one
 * step that follows no link and leaves no folder upwards. What is made, renamed or removed is a name in a folder that is
 * open. Nothing else in the project opens a file of a store by its path; test/contract/store-paths.test.ts sees to that.
 */
import { constants, type FileStatus } from '../../native/index.ts'
import type { HeldFile } from '../disk/index.ts'

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants

/** For reading. O_NONBLOCK: opening a pipe would wait for a writer. */
export const READ = O_RDONLY | O_NOFOLLOW | O_NONBLOCK

/** Below the root, `refs/modules` or '' for the root itself; one character a byte (latin1). */
export type StorePath = string

/** '' for what lies in the root. */
export const parentOf = (path: StorePath): StorePath => path.slice(0, Math.max(path.lastIndexOf('/'), 0))

export interface Entry {
  name: string
  /** S_IFREG, S_IFDIR, S_IFLNK, … */
  type: number
}

/**
 * Calls are synchronous, but for those that flush: they take some microseconds, and a tenth of a millisecond when a promise
 * is awaited for each.
 *
 * Every method throws StrataError STORE_FOLDER where something else than a folder is on the way, a link to one included,
 * and errors of the system that name the file by its whole path. What is "not there" is ENOENT alone.
 *
 * On a network file system a call may be done and its answer lost; the client sends it again and hears that it cannot be
 * done. Methods that make, rename and remove look whether that is so (spec/store-layout.md#nfs).
 */
export interface StoreFolder {
  /** For messages, and for nothing else. */
  readonly root: string
  /** The whole path, for messages. */
  shown(path: StorePath): string

  /** @returns a descriptor, which the caller closes; @throws ELOOP where the file itself is a link */
  open(path: StorePath, flags?: number): number
  /** The same as a file that names itself in errors; whoever asked for it closes it. */
  openFile(path: StorePath, flags?: number): HeldFile
  /** With the inode itself, by an O_PATH descriptor: a link as a link. @returns undefined where it is not there */
  withInode<T>(path: StorePath, use: (fd: number) => T): T | undefined
  /** With a folder as one of its own, so that what lies in it is found in one step. @returns undefined as above */
  within<T>(path: StorePath, use: (folder: StoreFolder) => T): T | undefined
  /** Of the file itself, a link as a link. @returns undefined where it is not there */
  status(path: StorePath): FileStatus | undefined
  /** By asking the server: an NFS client may remember for a minute what was there or was not. */
  isThere(path: StorePath): boolean
  /** An NFS client forgets what it knew of the names in a folder. What cannot be asked for is left as it is. */
  askAnew(folder: StorePath): void
  /** Whether this user may write to a folder, as far as can be told beforehand. */
  mayWrite(folder: StorePath): boolean
  /** In byte order. @returns undefined where it is not there */
  list(folder: StorePath): Entry[] | undefined

  /** A file in tmp/ of a name that no other has, for its owner alone, open for reading and writing. */
  create(): { path: StorePath; file: HeldFile }
  /** A second name, never in place of another file. @returns whether the name is this file's now */
  link(from: StorePath, to: StorePath): boolean
  /** At once: the name is of the one file or the other. A folder replaces an empty folder alone. */
  rename(from: StorePath, to: StorePath): void
  /** A file, or a link as a link. Doing so twice is fine. @returns whether it was there */
  remove(path: StorePath): boolean
  /**
   * A folder with all that is in it, links as links.
   * @param owner whose it has to be
   * @returns whether all of it is gone: what others could have put there stays (store/disk/remove-contents.ts)
   */
  removeTree(path: StorePath, owner?: number): boolean
  /** A folder of this mode, or what the umask leaves of it, unless there is one: while a store is made. */
  mkdir(path: StorePath, mode: number): void
  /**
   * A folder with the mode and the group of the one that it lies in, from its first moment on, and those above it, unless
   * they are there. When this returns they survive a loss of power.
   */
  makeFolder(path: StorePath): Promise<void>
  /** What was made, renamed or removed in a folder survives a loss of power. */
  sync(folder: StorePath): Promise<void>
  /** The same of all folders above it: another publisher may have made one and been killed before it was flushed. */
  settle(folder: StorePath): Promise<void>
}
