/**
 * What this user's own commands have checked: that takes as long as building, and what is found depends on the checked
 * bytes alone. So hashes are kept in a file of the user's, and nobody else's word is taken (spec/store-layout.md#trust).
 * Like all of that folder it can be removed at any time.
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeSync
} from 'node:fs'
import { join } from 'node:path'
import { cachePath, isWritableByOthers, ownCacheFolder } from '../disk/index.ts'

/** A line feed, then a line for each check. The number is raised when a check asks for more than before. */
export const OWN_CHECKS = 'checks-1'

/** 8,000 checks; then it begins anew. */
const LARGEST_FILE_BYTES = 1 << 20
// O_NONBLOCK: opening a pipe would wait for a reader or writer.
const FLAGS = constants.O_NOFOLLOW | constants.O_NONBLOCK

/** What is in the file: it is read once for all that a command opens. */
let listed: string | undefined

const list = (): string => {
  listed ??= withOwn(constants.O_RDONLY, file => readFileSync(file, 'latin1')) ?? ''
  return listed
}

/** @param check a line without its end, of ASCII */
export const isOwnCheck = (check: string): boolean => list().includes(`\n${check}\n`)

/** When a check was noted with its time last, in seconds since 1970. */
export function timeOfOwnCheck(check: string): number | undefined {
  const at = list().lastIndexOf(`\n${check} `)
  if (at < 0) return undefined
  const [, seconds] =
    /^ ([0-9]{1,12})\n/.exec(list().slice(at + 1 + check.length, at + 16 + check.length)) ?? []
  return seconds === undefined ? undefined : Number(seconds)
}

/** Where there is no place for it, the next command checks again. */
export function noteOwnCheck(check: string, { withTime = false } = {}): void {
  const { O_WRONLY, O_CREAT, O_APPEND } = constants
  const line = withTime ? `${check} ${Math.floor(Date.now() / 1000)}` : check
  withOwn(O_WRONLY | O_CREAT | O_APPEND, file => {
    if (fstatSync(file).size > LARGEST_FILE_BYTES) ftruncateSync(file)
    writeSync(file, `\n${line}\n`) // whole lines, also when several commands append, or one is cut off
  })
  listed = undefined
}

/**
 * Undefined where the file cannot be had, or is not the user's alone to write. It is a cache: no home, none that can be
 * written to, a full disk or one that fails make work, and no error.
 */
function withOwn<T>(flags: number, use: (file: number) => T): T | undefined {
  try {
    if (!(flags & constants.O_CREAT) && !existsSync(cachePath(OWN_CHECKS))) return undefined
    const file = openSync(join(ownCacheFolder(), OWN_CHECKS), flags | FLAGS, 0o600)
    try {
      const status = fstatSync(file)
      const isOwn = status.isFile() && status.uid === process.geteuid!() && !isWritableByOthers(status.mode)
      return isOwn ? use(file) : undefined
    } finally {
      closeSync(file)
    }
  } catch {
    return undefined
  }
}
