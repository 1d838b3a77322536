/**
 * Files and folders under way outside a store: beside what they become, `.compose-<space>-<pid>-<random>.tmp`. A kill
 * leaves one behind; the next command that writes into that folder removes it (spec/store-layout.md#crash). A lock
 * would say the same of a live writer, but not on every shared file system.
 */
import { createHash, randomBytes } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync, rmSync, type Stats } from 'node:fs'
import { dirname, join } from 'node:path'

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

/** As far as we may: a file that stays is in nobody's way. */
function removeAbandoned(folder: string): void {
  for (const name of namesIn(folder)) {
    const [, space, pid] = NAME.exec(name) ?? []
    if (space === undefined) continue
    try {
      const path = join(folder, name)
      const status = lstatSync(path)
      const isHere = space === processSpace()
      if (isHere ? isAlive(Number(pid)) : !isOld(status)) continue
      // What somebody else can change while it is removed might lead elsewhere.
      if (!status.isDirectory() || status.uid === process.geteuid?.()) rmSync(path, { recursive: true })
    } catch {}
  }
}

/** Whoever makes the file tells what is wrong with the folder. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder, 'latin1')
  } catch {
    return []
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

const isOld = ({ mtimeMs }: Stats): boolean => Date.now() - mtimeMs > ABANDONED_AFTER_MS
