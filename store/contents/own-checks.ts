/**
 * Hashes that this user's own commands have checked. A check takes as long as a build, and its result depends on the
 * checked bytes alone. So the hashes are kept in a file of the user, and nobody else's are believed
 * (spec/store-layout.md#trust). Like everything in the cache folder, the file can be removed at any time.
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

/**
 * Name of the file: a line feed, then a line for each check. The number is raised when a check demands more than
 * before.
 */
export const OWN_CHECKS = 'checks-1'

/** 8,000 checks; then the file begins anew. */
const LARGEST_FILE_BYTES = 1 << 20
// O_NONBLOCK is needed because opening a pipe would wait for a reader or writer.
const FLAGS = constants.O_NOFOLLOW | constants.O_NONBLOCK

/** The content of the file, which a command reads once. */
let listed: string | undefined

const list = (): string => {
  listed ??= withOwn(constants.O_RDONLY, file => readFileSync(file, 'latin1')) ?? ''
  return listed
}

/** True if this check was noted. @param check a line without its end, in ASCII */
export const isOwnCheck = (check: string): boolean => list().includes(`\n${check}\n`)

/** Time at which a check was last noted with its time, in seconds since 1970. */
export function timeOfOwnCheck(check: string): number | undefined {
  const at = list().lastIndexOf(`\n${check} `)
  if (at < 0) return undefined
  const [, seconds] =
    /^ ([0-9]{1,12})\n/.exec(list().slice(at + 1 + check.length, at + 16 + check.length)) ?? []
  return seconds === undefined ? undefined : Number(seconds)
}

/** Notes a check. If that fails, the next command checks again. */
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
 * Undefined if the file cannot be opened, or if others can write to it. It is only a cache: without a home, with a
 * read-only home or a full disk, commands do more work but do not fail.
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
