/**
 * The only access to files below a store's root (spec/store-layout.md#links).
 *
 * In a store that a group publishes to, every member can put a link in the place of a folder at any time, also between
 * a check of the folder and its use. If each call resolved the path anew, the link could lead anyone, even root, to
 * another place. So the root is opened once, and the kernel resolves every path from that descriptor, in one step that
 * follows no link and never leaves a folder upwards. New, renamed and removed names are names in a folder that is open.
 * Nothing else in the project opens a file of a store by its path; test/contract/store-paths.test.ts checks this.
 */
import { constants, type FileStatus } from '../../native/index.ts'
import type { HeldFile } from '../disk/index.ts'

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants

/** Flags for reading. O_NONBLOCK is needed because opening a pipe would wait for a writer. */
export const READ = O_RDONLY | O_NOFOLLOW | O_NONBLOCK

/** Path below the root, such as `refs/modules`; '' is the root itself. One character a byte (latin1). */
export type StorePath = string

/** The folder of a path; '' for a name in the root. */
export const parentOf = (path: StorePath): StorePath => path.slice(0, Math.max(path.lastIndexOf('/'), 0))

export interface Entry {
  name: string
  /** S_IFREG, S_IFDIR, S_IFLNK, … */
  type: number
}

/**
 * Only calls that flush are asynchronous. The others take some microseconds; awaiting a promise for each would take a
 * tenth of a millisecond.
 *
 * Every method throws StrataError STORE_FOLDER if a step of the path is not a folder but, for instance, a link to one.
 * It throws errors of the system with the whole path of the file. Only ENOENT means that a file does not exist.
 *
 * On a network file system, a call may succeed and its answer be lost: the client sends it again, and is told that it
 * cannot be done. Methods that make, rename and remove check for this case (spec/store-layout.md#nfs).
 */
export interface StoreFolder {
  /** For messages only. */
  readonly root: string
  /** The whole path, for messages. */
  displayPath(path: StorePath): string

  /** @returns a descriptor, which the caller closes; @throws ELOOP if the file itself is a link */
  open(path: StorePath, flags?: number): number
  /** Like `open`, but its errors name the file. The caller closes it. */
  openFile(path: StorePath, flags?: number): HeldFile
  /**
   * Calls `use` with an O_PATH descriptor of the inode; a link is not followed. @returns undefined if it does not exist
   */
  withInode<T>(path: StorePath, use: (fd: number) => T): T | undefined
  /**
   * Calls `use` with a subfolder as a StoreFolder, so that its files are found in one step. @returns undefined if it
   * does not exist
   */
  within<T>(path: StorePath, use: (folder: StoreFolder) => T): T | undefined
  /** Status of the file itself; a link is not followed. @returns undefined if it does not exist */
  status(path: StorePath): FileStatus | undefined
  /**
   * True if the file exists, by asking the server: an NFS client may remember for a minute that a name was there or
   * missing.
   */
  isThere(path: StorePath): boolean
  /** Makes an NFS client forget the names in a folder. Does nothing if the server cannot be asked. */
  askAnew(folder: StorePath): void
  /** True if this user may write to a folder, as far as can be told beforehand. */
  mayWrite(folder: StorePath): boolean
  /** Entries in byte order. @returns undefined if the folder does not exist */
  list(folder: StorePath): Entry[] | undefined

  /** Makes a file with a unique name in tmp/, for its owner alone, open for reading and writing. */
  create(): { path: StorePath; file: HeldFile }
  /** Adds a second name, but never replaces a file. @returns true if the name stands for this file now */
  link(from: StorePath, to: StorePath): boolean
  /** Atomic: the name stands for the one file or the other. A folder can only replace an empty folder. */
  rename(from: StorePath, to: StorePath): void
  /** Gives a file that was moved aside its name back, unless another file has the name. @returns true if it was there */
  giveBack(aside: StorePath, path: StorePath): boolean
  /** Removes a file or a link. Removing it twice is fine. @returns true if it was there */
  remove(path: StorePath): boolean
  /**
   * Removes a folder and everything in it; links are not followed.
   * @param owner the user to whom all of it must belong
   * @returns true if all of it is gone; files that others could have put there stay (store/disk/remove-contents.ts)
   */
  removeTree(path: StorePath, owner?: number): boolean
  /** Makes a folder with this mode, reduced by the umask, unless it exists. For making a store. */
  mkdir(path: StorePath, mode: number): void
  /**
   * Makes a folder and its missing parents. Each has the mode and the group of its parent from its first moment on.
   * When this returns, they survive a loss of power.
   */
  makeFolder(path: StorePath): Promise<void>
  /** Makes new, renamed and removed names of a folder survive a loss of power. */
  sync(folder: StorePath): Promise<void>
  /** Like `sync`, for all folders above it: another publisher may have made one and been killed before flushing it. */
  settle(folder: StorePath): Promise<void>
}
