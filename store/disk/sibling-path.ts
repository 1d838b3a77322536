/**
 * Files and folders under way outside a store: beside what they become, `.compose-<space>-<pid>-<random>.tmp`. A kill
 * leaves one behind; the next command that writes into that folder removes it (spec/store-layout.md#crash). A lock
 * would say the same of a live writer, but not on every shared file system.
 */
import { createHash, randomBytes } from 'node:crypto'
import { closeSync, openSync, readFileSync, readlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { constants, type FileStatus, fstatAt, readDirAt } from '../../native/index.ts'
import { removeFolder, unlinkOther } from './remove-contents.ts'
import { isWritableByOthers } from './writable-by-others.ts'

const { O_DIRECTORY, O_RDONLY } = constants

/** What somebody on another host left is abandoned when nobody has written to it for a day. */
const ABANDONED_AFTER_MS = 24 * 60 * 60 * 1000

const NAME = /^\.compose-([0-9a-f]{8})-(\d+)-[0-9a-f]{16}\.tmp$/

let ownSpace: string | undefined

/** Where process ids are ours: this start of this machine, this namespace. */
function processSpace(): string {
  if (ownSpace !== undefined) return ownSpace
  try {
    const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1')
    const identity = bootId + readlinkSync('/proc/self/ns/pid')
    ownSpace = createHash('sha256').update(identity).digest('hex').slice(0, 8)
  } catch {
    ownSpace = randomBytes(4).toString('hex') // no /proc: then age alone decides
  }
  return ownSpace
}

/**
 * A new name beside a file or folder. What interrupted commands left there is removed first.
 * @param target what it will become
 */
export function siblingPath(target: string): string {
  const folder = dirname(target)
  removeAbandoned(folder)
  const random = randomBytes(8).toString('hex')
  return join(folder, `.compose-${processSpace()}-${process.pid}-${random}.tmp`)
}

/**
 * What interrupted commands left in a folder. As far as we may: a file that stays is in nobody's way. Whoever makes the new
 * one tells what is wrong with a folder.
 */
export function removeAbandoned(path: string): void {
  let folder: number
  try {
    folder = openSync(path, O_RDONLY | O_DIRECTORY)
  } catch {
    return
  }
  try {
    for (const name of readDirAt(folder).names) if (isAbandoned(folder, name)) removeIfOurs(folder, name)
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

/** In a folder that others write to, anything can take the place of anything: so nothing is done by path. */
function removeIfOurs(folder: number, name: string): void {
  try {
    if (!unlinkOther(folder, name)) removeFolder(folder, name, isOurs)
  } catch {}
}

/** What others can change while it is removed might hold what is not theirs. */
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
