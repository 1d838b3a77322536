/**
 * `.compose/sandbox` in a sandbox: the lock and the record. The record is written last and makes the directory a
 * sandbox. The file that becomes the record exists from the start under other names. By it a directory of an
 * interrupted build is recognised, and can be emptied (spec/sandbox.md#writing).
 */
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs'
import {
  chmodAt,
  constants,
  type FileStatus,
  fstatAt,
  mkdirAt,
  type NativeError,
  openBeneath,
  readDirAt,
  renameAt2,
  unlinkAt,
  utimensAt
} from '../../native/index.ts'
import { removeContents } from '../../store/disk/index.ts'
import type { Timestamp } from '../../store/tar/index.ts'
import { type PathBytes, StrataError } from '../../store/values/index.ts'
import { checkRecord } from './check-record.ts'
import { decodeRecord, encodeRecord, type SandboxRecord } from './sandbox-record.ts'
import { decodeSeenTree, encodeSeen, type SeenMetadata } from './seen-metadata.ts'

/** Every build makes this folder again, and its content is never captured. */
export const COMPOSE_FOLDER = '.compose'
export const SANDBOX_FOLDER = `${COMPOSE_FOLDER}/sandbox`
/** Name of the record in the directory itself, until the tree is complete. */
export const UNFINISHED = '.compose-unfinished'
const RECORD = 'record'
const UNFINISHED_RECORD = 'record.tmp'
const LOCK = 'lock'
/** Absent while a command runs in the sandbox (seen-metadata.ts). */
export const SEEN_METADATA = 'metadata'

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_TRUNC, O_WRONLY } = constants

/**
 * Makes the first file in an empty directory.
 * @returns its status, which shows the owner and group of new files
 */
export function markUnfinished(top: number): FileStatus {
  closeSync(openBeneath(top, UNFINISHED, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600))
  return fstatAt(top, UNFINISHED)
}

/** Empties a directory of an interrupted build. Any other directory is left alone. */
export function clearUnfinished(top: number): void {
  const { names } = readDirAt(top)
  const isUnfinished = names.includes(UNFINISHED)
    ? isPrivate(fstatAt(top)) && isPrivate(fstatAt(top, UNFINISHED))
    : names.includes(COMPOSE_FOLDER) && takeOutRecord(top)
  if (!isUnfinished) return
  removeContents(top, UNFINISHED)
  unlinkAt(top, UNFINISHED) // last, so that a directory is still recognised if this is interrupted
}

/** True for a file that nobody else can have made or changed. */
const isPrivate = ({ uid, mode }: FileStatus): boolean => uid === process.geteuid!() && (mode & 0o077) === 0

/** Moves the unfinished record back to its first name. @returns true if there was one, and no finished record */
function takeOutRecord(top: number): boolean {
  let folder: number
  try {
    folder = openBeneath(top, SANDBOX_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES'].includes((error as NativeError).code)) return false
    throw error
  }
  try {
    const { names } = readDirAt(folder)
    const isUnfinished = names.includes(UNFINISHED_RECORD) && !names.includes(RECORD)
    if (!isUnfinished || !isPrivate(fstatAt(folder))) return false
    chmodAt(top, '', 0o700)
    renameAt2(folder, UNFINISHED_RECORD, top, UNFINISHED)
    return true
  } finally {
    closeSync(folder)
  }
}

/**
 * Makes the folder, readable only by its user, because the record has names and sizes that the tree's modes may hide.
 * From here on, the file in it marks the directory as unfinished.
 * @param top descriptor of the sandbox
 * @returns descriptor of the folder
 */
export function makeSandboxFolder(top: number): number {
  const isNew = !readDirAt(top).names.includes(COMPOSE_FOLDER)
  if (isNew) mkdirAt(top, COMPOSE_FOLDER, 0o755)
  const folder = openBeneath(top, COMPOSE_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  try {
    const { mtimeSeconds, mtimeNanoseconds } = fstatAt(folder)
    mkdirAt(folder, 'sandbox', 0o700)
    if (!isNew) utimensAt(folder, '', mtimeSeconds, mtimeNanoseconds)
    const sandbox = openBeneath(folder, 'sandbox', O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
    renameAt2(top, UNFINISHED, sandbox, UNFINISHED_RECORD)
    return sandbox
  } finally {
    closeSync(folder)
  }
}

/**
 * @param seen of a sandbox in which commands are captured
 * @param since when the tree was complete, if edits in it are older than now
 */
export function writeSandboxFiles(
  folder: number,
  lock: Uint8Array,
  record: SandboxRecord,
  seen?: Uint8Array,
  since?: Timestamp
): void {
  writeFile(folder, LOCK, lock, O_CREAT | O_EXCL)
  if (since !== undefined) utimensAt(folder, LOCK, since.seconds, since.nanoseconds)
  if (seen !== undefined) writeFile(folder, SEEN_METADATA, seen, O_CREAT | O_EXCL)
  writeFile(folder, UNFINISHED_RECORD, encodeRecord(record), O_TRUNC)
  renameAt2(folder, UNFINISHED_RECORD, folder, RECORD)
}

function writeFile(folder: number, name: string, bytes: Uint8Array, how: number): void {
  const fd = openBeneath(folder, name, O_WRONLY | O_NOFOLLOW | how, how & O_CREAT ? 0o600 : 0)
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done)
  } finally {
    closeSync(fd)
  }
}

export interface SandboxFiles {
  record: SandboxRecord
  lock: Buffer
  /** When the tree was complete. */
  since: Timestamp
  /** Of a sandbox in which commands are captured. */
  seen?: Map<PathBytes, SeenMetadata>
}

/**
 * @param top descriptor of the sandbox
 * @param name of the sandbox, for messages
 * @throws StrataError SANDBOX_INVALID if the record is missing or damaged; IO
 */
export function readSandboxFiles(top: number, name: string): SandboxFiles {
  try {
    const record = decodeRecord(readFile(top, RECORD))
    checkRecord(record)
    const files = { record, lock: readFile(top, LOCK), since: timeOf(top, LOCK) }
    return record.applied === 'capture' ? { ...files, seen: readSeen(top, name) } : files
  } catch (cause) {
    if (cause instanceof StrataError) throw cause
    const { code, message } = cause as NativeError
    const facts = { sandbox: name, file: `${SANDBOX_FOLDER}/${RECORD}` }
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP')
      throw new StrataError('SANDBOX_INVALID', {
        message: `${name} is not a sandbox, or was never finished: ${SANDBOX_FOLDER}/${RECORD} is missing`,
        facts,
        hint: `compose build --sandbox NEW_DIRECTORY (makes a sandbox), or compose import MODULE ${name} (takes any directory)`,
        cause
      })
    if (cause instanceof RangeError && code === undefined)
      throw new StrataError('SANDBOX_INVALID', {
        message: `${SANDBOX_FOLDER}/${RECORD} of ${name} is damaged: ${message}`,
        facts,
        hint: `compose import MODULE ${name} (takes the directory as it is)`,
        cause
      })
    throw new StrataError('IO', {
      message: `${SANDBOX_FOLDER} of ${name} cannot be read: ${message}`,
      facts,
      hint: code === 'EACCES' ? 'only the user who made a sandbox, and root, can build from it' : undefined,
      cause
    })
  }
}

function timeOf(top: number, file: string): Timestamp {
  const fd = openBeneath(top, `${SANDBOX_FOLDER}/${file}`, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  try {
    const { mtimeSeconds: seconds, mtimeNanoseconds: nanoseconds } = fstatAt(fd)
    return { seconds, nanoseconds }
  } finally {
    closeSync(fd)
  }
}

/** Files of a capture that was ended by force may belong to subordinate ids. */
export const removalOf = (tree: string): string =>
  `rm -rf ${tree} (or, where that is denied: unshare --map-auto --map-root-user rm -rf ${tree})`

function readSeen(top: number, name: string): Map<PathBytes, SeenMetadata> {
  try {
    return decodeSeenTree(readFile(top, SEEN_METADATA))
  } catch (cause) {
    throw new StrataError('SANDBOX_INVALID', {
      message: `the owners in ${name} are not known, because a capture in it is running, or was ended by force: ${(cause as Error).message}`,
      facts: { sandbox: name, file: `${SANDBOX_FOLDER}/${SEEN_METADATA}` },
      hint: `${removalOf(name)}, and capture again`,
      cause
    })
  }
}

const readFile = (top: number, file: string): Buffer => readRegularFile(top, `${SANDBOX_FOLDER}/${file}`)

/**
 * Reads a file in a directory of an unknown author: no link leads out of the directory, and pipes do not block.
 * @param top descriptor of the directory; O_PATH is enough
 * @throws RangeError if it is not a regular file, is too large, or becomes shorter meanwhile; errors of openBeneath
 */
export function readRegularFile(top: number, path: string, mostBytes = Number.POSITIVE_INFINITY): Buffer {
  // O_NONBLOCK, because opening a pipe would wait for a writer.
  const fd = openBeneath(top, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  try {
    const status = fstatSync(fd)
    const file = path.slice(path.lastIndexOf('/') + 1)
    if (!status.isFile()) throw new RangeError(`${file} is not a regular file`)
    if (status.size > mostBytes)
      throw new RangeError(`${file} has ${status.size} bytes, wanted at most ${mostBytes}`)
    const bytes = Buffer.from(new ArrayBuffer(status.size))
    for (let done = 0; done < bytes.length; ) {
      const count = readSync(fd, bytes, done, bytes.length - done, done)
      if (count === 0) throw new RangeError('it became shorter while it was read')
      done += count
    }
    return bytes
  } finally {
    closeSync(fd)
  }
}

/** What commands see of the paths of a tree in which they are captured. @throws StrataError SANDBOX_INVALID */
export function seenIn(directory: string): Map<PathBytes, SeenMetadata> {
  const top = openSync(directory, constants.O_PATH | O_DIRECTORY)
  try {
    return readSeen(top, directory)
  } finally {
    closeSync(top)
  }
}

/** Adds what is to be seen of new paths. Nothing may run in the tree meanwhile. */
export function changeSeen(directory: string, made: ReadonlyMap<PathBytes, SeenMetadata>): void {
  const all = new Map([...seenIn(directory), ...made])
  const top = openSync(directory, constants.O_PATH | O_DIRECTORY)
  const folder = openBeneath(top, SANDBOX_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  try {
    writeFile(folder, SEEN_METADATA, encodeSeen(all), O_TRUNC)
  } finally {
    closeSync(folder)
    closeSync(top)
  }
}
