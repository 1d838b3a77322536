/**
 * Names for unfinished files and folders outside a store. They lie beside the final name, as
 * `.compose-<space>-<pid>-<random>.tmp`. A killed command leaves one behind, and the next command that writes into that
 * folder removes it (spec/store-layout.md#crash). A lock would tell as well that its writer is alive, but locks do not
 * work on every shared file system.
 */
import { createHash, randomBytes } from 'node:crypto'
import { closeSync, lstatSync, openSync, readFileSync, readlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { constants, type FileStatus, fstatAt, readDirAt } from '../../native/index.ts'
import { whenStopped } from '../values/index.ts'
import { removeFolder, unlinkOther } from './remove-contents.ts'
import { isExchangeable, isWritableByOthers } from './writable-by-others.ts'

const { O_DIRECTORY, O_RDONLY } = constants

/** Files of another host count as abandoned when nobody has written to them for a day. */
const ABANDONED_AFTER_MS = 24 * 60 * 60 * 1000

const NAME = /^\.compose-([0-9a-f]{8})-(\d+)-[0-9a-f]{16}\.tmp$/

let ownSpace: string | undefined

/** Tells apart process ids of different machines, starts and namespaces: equal if both ids can be compared. */
function processSpace(): string {
  if (ownSpace !== undefined) return ownSpace
  try {
    const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1')
    const identity = bootId + readlinkSync('/proc/self/ns/pid')
    ownSpace = createHash('sha256').update(identity).digest('hex').slice(0, 8)
  } catch {
    ownSpace = randomBytes(4).toString('hex') // without /proc, age alone decides
  }
  return ownSpace
}

/**
 * A new name beside a file or folder. Files of interrupted commands there are removed first. If the command is stopped,
 * a file of this name is removed too.
 * @param target the final name
 */
export function siblingPath(target: string): string {
  const folder = dirname(target)
  removeAbandoned(folder)
  const random = randomBytes(8).toString('hex')
  const name = `.compose-${processSpace()}-${process.pid}-${random}.tmp`
  whenStopped(() => removeUnfinished(folder, name))
  return join(folder, name)
}

/** @returns true if it was there; a finished file has another name */
function removeUnfinished(path: string, name: string): boolean {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return false // it was new, and is gone again
  const folder = openSync(path, O_RDONLY | O_DIRECTORY)
  try {
    if (!namesIn(folder).includes(name)) return false
    if (!unlinkOther(folder, name)) removeFolder(folder, name, isOurs)
    return true
  } finally {
    closeSync(folder)
  }
}

/** None for a folder that was removed, which its descriptor (output-folder.ts) still leads to. */
function namesIn(folder: number): string[] {
  try {
    return readDirAt(folder).names
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/**
 * Removes files of interrupted commands from a folder, as far as permitted. Errors are ignored: such a file is in
 * nobody's way, and making the new file reports any fault of the folder.
 */
export function removeAbandoned(path: string): void {
  let folder: number
  try {
    folder = openSync(path, O_RDONLY | O_DIRECTORY)
  } catch {
    return
  }
  try {
    // Somebody who may not remove a folder of the user could have given it the name of an unfinished one.
    const mayBeMoved = isExchangeable(fstatAt(folder))
    for (const name of readDirAt(folder).names)
      if (isAbandoned(folder, name)) removeIfOurs(folder, name, mayBeMoved)
  } catch {
  } finally {
    closeSync(folder)
  }
}

function isAbandoned(folder: number, name: string): boolean {
  const [, space, pid] = NAME.exec(name) ?? []
  if (space === undefined) return false
  return space === processSpace() ? !isAlive(Number(pid)) : isOld(folder, name)
}

/** Works by descriptors: in a folder that others write to, they can replace anything between two steps. */
function removeIfOurs(folder: number, name: string, mayBeMoved: boolean): void {
  try {
    if (!unlinkOther(folder, name) && !mayBeMoved) removeFolder(folder, name, isOurs)
  } catch {}
}

/**
 * Only the user's own files are removed. If others can write to a folder, it could be changed during removal to hold
 * their files.
 */
const isOurs = ({ uid, mode }: FileStatus): boolean =>
  uid === process.geteuid?.() && !isWritableByOthers(mode)

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

function isOld(folder: number, name: string): boolean {
  try {
    return Date.now() - fstatAt(folder, name).mtimeSeconds * 1000 > ABANDONED_AFTER_MS
  } catch {
    return false // gone
  }
}
