/**
 * `.compose/sandbox` in a sandbox: the lock, and the record, which comes last and makes the directory a sandbox. The
 * file that becomes the record is there from the start, under other names: by it a directory that an interrupted build
 * left is known, and can be emptied (spec/sandbox.md#writing).
 */
import { closeSync, fstatSync, readSync, writeSync } from 'node:fs'
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
import { StrataError } from '../../store/values/index.ts'
import { checkRecord } from './check-record.ts'
import { decodeRecord, encodeRecord, type SandboxRecord } from './sandbox-record.ts'

/** Everything in it belongs to compose: it is made anew by every build, and never captured. */
export const COMPOSE_FOLDER = '.compose'
export const SANDBOX_FOLDER = `${COMPOSE_FOLDER}/sandbox`
/** In the directory itself, until the tree is in its place. */
export const UNFINISHED = '.compose-unfinished'
const RECORD = 'record'
const UNFINISHED_RECORD = 'record.tmp'
const LOCK = 'lock'

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_TRUNC, O_WRONLY } = constants

/**
 * The first thing that is made in an empty directory.
 * @returns what it is like: whom new names belong to
 */
export function markUnfinished(top: number): FileStatus {
  closeSync(openBeneath(top, UNFINISHED, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600))
  return fstatAt(top, UNFINISHED)
}

/** Empty a directory that an interrupted build of ours left; in any other nothing is touched. */
export function clearUnfinished(top: number): void {
  const { names } = readDirAt(top)
  const isUnfinished = names.includes(UNFINISHED)
    ? isPrivate(fstatAt(top)) && isPrivate(fstatAt(top, UNFINISHED))
    : names.includes(COMPOSE_FOLDER) && takeOutRecord(top)
  if (!isUnfinished) return
  removeContents(top, UNFINISHED)
  unlinkAt(top, UNFINISHED) // last: what is killed in between is still known
}

/** Nobody else can have made it, or put anything into it. */
const isPrivate = ({ uid, mode }: FileStatus): boolean => uid === process.geteuid!() && (mode & 0o077) === 0

/** The unfinished record, back to where it was. @returns whether there was one, and no finished one */
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
 * Makes the folder, for its user alone: the record tells names and sizes of what the tree's own modes may hide. From
 * here on the directory is known as unfinished by what is in it.
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

export function writeSandboxFiles(folder: number, lock: Uint8Array, record: SandboxRecord): void {
  writeFile(folder, LOCK, lock, O_CREAT | O_EXCL)
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
}

/**
 * @param top descriptor of the sandbox
 * @param name of the sandbox, for messages
 * @throws StrataError SANDBOX_INVALID where there is no record, or a damaged one; IO
 */
export function readSandboxFiles(top: number, name: string): SandboxFiles {
  try {
    const record = decodeRecord(readFile(top, RECORD))
    checkRecord(record)
    return { record, lock: readFile(top, LOCK) }
  } catch (cause) {
    const { code, message } = cause as NativeError
    const facts = { sandbox: name, file: `${SANDBOX_FOLDER}/${RECORD}` }
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP')
      throw new StrataError('SANDBOX_INVALID', {
        message: `${name} is no sandbox, or was never finished: ${SANDBOX_FOLDER}/${RECORD} is not there`,
        facts,
        hint: `compose build --sandbox NEW_DIRECTORY makes one; compose import MODULE ${name} takes any directory`,
        cause
      })
    if (cause instanceof RangeError && code === undefined)
      throw new StrataError('SANDBOX_INVALID', {
        message: `${SANDBOX_FOLDER}/${RECORD} of ${name} is damaged: ${message}`,
        facts,
        hint: `compose import MODULE ${name} takes the directory as it is`,
        cause
      })
    throw new StrataError('IO', {
      message: `${SANDBOX_FOLDER} of ${name} cannot be read: ${message}`,
      facts,
      hint: code === 'EACCES' ? 'only who made a sandbox, and root, can build from it' : undefined,
      cause
    })
  }
}

const readFile = (top: number, file: string): Buffer => readRegularFile(top, `${SANDBOX_FOLDER}/${file}`)

/**
 * A file below a directory that anybody may have made: no link leads out of it, and no pipe is waited for.
 * @param top descriptor of the directory; O_PATH will do
 * @throws RangeError for what is no regular file, is larger, or becomes shorter meanwhile; errors of openBeneath
 */
export function readRegularFile(top: number, path: string, mostBytes = Number.POSITIVE_INFINITY): Buffer {
  // O_NONBLOCK: opening a pipe would wait for a writer.
  const fd = openBeneath(top, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  try {
    const status = fstatSync(fd)
    const file = path.slice(path.lastIndexOf('/') + 1)
    if (!status.isFile()) throw new RangeError(`${file} is no regular file`)
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
