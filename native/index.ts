/**
 * File operations that Node lacks (spec/native.md). All are synchronous except `copyRanges`. They fail with a plain
 * Error like Node's, with `code` (errno's name), `errno`, `syscall` and `path` (a latin1 string of bytes).
 *
 * Calls about names take a directory's descriptor and the name of one entry in it. They act on that entry and never on
 * the target of a link. Other calls take an open file. A name with a `/`, or `..`, is EXDEV: open its parent with
 * `openBeneath`. If a call says so, the empty name stands for the descriptor's own inode, O_PATH descriptors included.
 */
import { addon, type Bytes } from './addon.ts'

export { type Bytes, launcherFile, readLiblzma } from './addon.ts'

export const constants = addon.constants

export interface NativeError extends Error {
  code: string
  errno: number
  syscall: string
  /** latin1: one character a byte. */
  path?: string
}

export interface FileStatus {
  /** Type and permission bits, as in `st_mode`. */
  mode: number
  uid: number
  gid: number
  size: number
  nlink: number
  ino: bigint
  dev: bigint
  rdevMajor: number
  rdevMinor: number
  /** Floored; may be negative. */
  mtimeSeconds: number
  mtimeNanoseconds: number
  ctimeSeconds: number
  ctimeNanoseconds: number
  /** Allocated blocks, in units of 512 bytes. */
  blocks: number
}

/**
 * Opens a relative path of any depth, confined to the directory: no component may be a symbolic link.
 * @returns a descriptor, closed on exec; close it with `fs.closeSync`
 * @throws ELOOP at a link (with O_PATH|O_NOFOLLOW, a link as last component is opened itself), EXDEV for an absolute
 * path or one with `..`
 */
export const openBeneath = (dirfd: number, path: Bytes, flags: number, mode = 0): number =>
  addon.openBeneath(dirfd, path, flags, mode)

/** Opens the same inode again with other flags, such as an O_PATH descriptor for reading. */
export const reopen: (fd: number, flags: number) => number = addon.reopen

/** The umask reduces `mode`, as in mkdir(2); use `chmodAt` afterwards. */
export const mkdirAt: (dirfd: number, name: Bytes, mode: number) => void = addon.mkdirAt

/** @param mode type (S_IFBLK, S_IFCHR, S_IFIFO, S_IFREG) and permissions, reduced by the umask */
export const mknodAt = (dirfd: number, name: Bytes, mode: number, major = 0, minor = 0): void =>
  addon.mknodAt(dirfd, name, mode, major, minor)

export const symlinkAt: (target: Bytes, dirfd: number, name: Bytes) => void = addon.symlinkAt

/** An empty old name links the file of `oldDirfd` itself, such as an O_TMPFILE. Links are not followed. */
export const linkAt: (oldDirfd: number, oldName: Bytes, newDirfd: number, newName: Bytes) => void =
  addon.linkAt

/** @param flags AT_REMOVEDIR for a directory */
export const unlinkAt = (dirfd: number, name: Bytes, flags = 0): void => addon.unlinkAt(dirfd, name, flags)

/** @param flags RENAME_NOREPLACE or RENAME_EXCHANGE; EINVAL if the file system knows neither */
export const renameAt2 = (
  oldDirfd: number,
  oldName: Bytes,
  newDirfd: number,
  newName: Bytes,
  flags = 0
): void => addon.renameAt2(oldDirfd, oldName, newDirfd, newName, flags)

/** Target as a latin1 string of bytes. An empty name reads the link of an O_PATH descriptor. */
export const readlinkAt: (dirfd: number, name: Bytes) => string = addon.readlinkAt

// One array serves all calls, because they are synchronous and each thread has its own copy of this module.
const statNumbers = new Float64Array(14)
const statIntegers = new BigUint64Array(statNumbers.buffer)

/** Status of the entry; with an empty name, of the descriptor. */
export function fstatAt(dirfd: number, name: Bytes = ''): FileStatus {
  addon.fstatAt(dirfd, name, statNumbers)
  return {
    mode: statNumbers[0],
    uid: statNumbers[1],
    gid: statNumbers[2],
    size: statNumbers[3],
    nlink: statNumbers[4],
    rdevMajor: statNumbers[5],
    rdevMinor: statNumbers[6],
    mtimeSeconds: statNumbers[7],
    mtimeNanoseconds: statNumbers[8],
    ctimeSeconds: statNumbers[9],
    ctimeNanoseconds: statNumbers[10],
    blocks: statNumbers[11],
    ino: statIntegers[12],
    dev: statIntegers[13]
  }
}

/** Sets the modification time and keeps the access time; an empty name means the descriptor. */
export const utimensAt: (dirfd: number, name: Bytes, seconds: number, nanoseconds: number) => void =
  addon.utimensAt

/** Ids 0..2^32-2; an empty name means the descriptor. The kernel then clears set-id bits and capabilities. */
export const chownAt: (dirfd: number, name: Bytes, uid: number, gid: number) => void = addon.chownAt

/** EOPNOTSUPP for a symbolic link; an empty name means the descriptor. */
export const chmodAt: (dirfd: number, name: Bytes, mode: number) => void = addon.chmodAt

export interface DirectoryListing {
  /** latin1 strings of bytes in the kernel's order, without `.` and `..`. */
  names: string[]
  /** For each name its DT_ value (`S_IF… >> 12`); 0 if the file system does not tell. */
  types: Uint8Array
}

/** All names of a directory that was opened for reading; a second call starts over. */
export function readDirAt(dirfd: number): DirectoryListing {
  const [joined, types] = addon.readDirAt(dirfd)
  return { names: types.length === 0 ? [] : joined.split('/'), types }
}

/** @throws ENODATA if the attribute is absent; an empty name means the descriptor */
export const getXattr: (dirfd: number, name: Bytes, attribute: Bytes) => Buffer = addon.getXattr

/** Names as latin1 strings of bytes, in the kernel's order; an empty `name` means the descriptor. */
export const listXattr = (dirfd: number, name: Bytes): string[] =>
  addon.listXattr(dirfd, name).split('\0').slice(0, -1)

/**
 * An empty `name` means the descriptor: to set many attributes, open the entry with O_PATH|O_NOFOLLOW once.
 * @param flags XATTR_CREATE or XATTR_REPLACE
 */
export const setXattr = (dirfd: number, name: Bytes, attribute: Bytes, value: Uint8Array, flags = 0): void =>
  addon.setXattr(dirfd, name, attribute, value, flags)

/** @throws ENODATA if the attribute is absent; an empty `name` means the descriptor */
export const removeXattr: (dirfd: number, name: Bytes, attribute: Bytes) => void = addon.removeXattr

export interface CopyRange {
  inFd: number
  inOffset: number
  outFd: number
  outOffset: number
  lengthBytes: number
}

/** A copy that is running on a thread of its own. */
export interface Copying {
  /**
   * Number of bytes copied. It is smaller than asked for only if a source ends early; nothing after that is copied
   * then.
   */
  done: Promise<number>
  /** Skips the rest; `done` resolves soon. */
  stop(): void
}

export interface CopyOptions {
  /** The caller will call fsync: the disk begins to write while the rest is copied. */
  flushes?: boolean
  /** Called now and then, and before `done` resolves, with the number of bytes copied since the last call. */
  onProgress?: (bytes: number) => void
}

const PROGRESS_MS = 100

/**
 * Copies ranges, one after another, in the kernel (sharing blocks if the file system can), else by reading and writing.
 * The files must stay open until `done` is settled.
 */
export function copyRanges(
  ranges: CopyRange[],
  { flushes = false, onProgress = () => {} }: CopyOptions = {}
): Copying {
  const rows = Float64Array.from(
    ranges.flatMap(({ inFd, inOffset, outFd, outOffset, lengthBytes }) => [
      inFd,
      inOffset,
      outFd,
      outOffset,
      lengthBytes
    ])
  )
  const shared = Float64Array.of(0, 0, Number(flushes)) // bytes copied, whether to stop, whether to flush
  let reported = 0
  const report = () => {
    const copied = shared[0]
    onProgress(copied - reported)
    reported = copied
  }
  const copied = addon.copyRanges(rows, shared)
  const timer = setInterval(report, PROGRESS_MS)
  return {
    done: copied.finally(() => {
      clearInterval(timer)
      report()
    }),
    stop: () => {
      shared[1] = 1
    }
  }
}

/**
 * Shares blocks and never copies. Offsets and length are multiples of the file system's block size, except a length
 * that ends where the source ends.
 * @throws EOPNOTSUPP, EXDEV or EINVAL if blocks cannot be shared
 */
export const cloneRange: (
  inFd: number,
  inOffset: number,
  outFd: number,
  outOffset: number,
  lengthBytes: number
) => void = addon.cloneRange

/** Offset of the next data at or after `offset`; null if only a hole or nothing is left. */
export const seekData: (fd: number, offset: number) => number | null = addon.seekData

/** Offset of the next hole (the end of the file counts as one); null at or behind the end. */
export const seekHole: (fd: number, offset: number) => number | null = addon.seekHole

/**
 * Programs that are started from now on get no descriptor from 3 on but those that they are given. Node does this when
 * it starts, but stops at the first number that is not in use.
 */
export const closeOnExec: () => void = addon.closeOnExec

/**
 * Locks an open file until it is closed, or its process has ended in any way.
 * @returns false if another open file has the lock; null on a disk without locks
 */
export const lockFile: (fd: number) => boolean | null = addon.lockFile

/** A pipe: the end to read from, and the one to write to. Both are closed on exec. */
export const makePipe: () => [readFd: number, writeFd: number] = addon.makePipe

/** A new file in memory, which has no name and is closed on exec. Linux 3.17. */
export const memoryFile: () => number = addon.memoryFile

/** Signals act as in a program that has just started. Node still hears of those that came before. */
export const forgetSignals: () => void = addon.forgetSignals

/**
 * This process becomes the program: its number, terminal and standard streams stay, and all else of Node ends.
 * @param words the first is the program's name
 * @param descriptors stay open under their numbers; call `closeOnExec` before, for all others
 * @throws E2BIG, ENOENT, EACCES …: the process goes on
 */
export function becomeProgram(
  file: string,
  words: string[],
  environment: NodeJS.ProcessEnv,
  descriptors: number[]
): void {
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`)
  addon.becomeProgram(Buffer.from(file), joinWords(words), joinWords(variables), descriptors)
}

/** Each with a NUL behind it. */
export function joinWords(words: string[]): Buffer {
  if (words.some(word => word.includes('\0'))) throw new TypeError('a word with a NUL byte')
  return Buffer.from(words.map(word => `${word}\0`).join(''))
}
