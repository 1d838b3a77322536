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

/** 25,000 checks, enough for 100 GB of layers; then the file begins anew. */
const LARGEST_FILE_BYTES = 4 << 20
// O_NONBLOCK is needed because opening a pipe would wait for a reader or writer.
const FLAGS = constants.O_NOFOLLOW | constants.O_NONBLOCK

/** The checks in the file, with their times in seconds since 1970 if they have one. A command reads them once. */
let listed: ReadonlyMap<string, number | undefined> | undefined

const list = (): ReadonlyMap<string, number | undefined> => {
  listed ??= parseChecks(withOwn(constants.O_RDONLY, file => readFileSync(file, 'latin1')) ?? '')
  return listed
}

/** The last line of the file may be cut off, so it must have an end. */
function parseChecks(text: string): ReadonlyMap<string, number | undefined> {
  const checks = new Map<string, number | undefined>()
  for (const line of text.split('\n').slice(0, -1)) {
    const [, check, seconds] = /^(.*) ([0-9]{1,12})$/.exec(line) ?? []
    if (check === undefined) checks.set(line, undefined)
    else checks.set(check, Number(seconds))
  }
  return checks
}

/** True if this check was noted. @param check a line without its end, in ASCII */
export const isOwnCheck = (check: string): boolean => list().has(check)

/** Time at which a check was last noted with its time, in seconds since 1970. */
export const timeOfOwnCheck = (check: string): number | undefined => list().get(check)

/** Notes a check. If that fails, the next command checks again. */
export const noteOwnCheck = (check: string): void => noteOwnChecks([check])

/** Notes some checks in one call. @param options.withTime with the current time */
export function noteOwnChecks(checks: string[], { withTime = false } = {}): void {
  const { O_WRONLY, O_CREAT, O_APPEND } = constants
  const ending = withTime ? ` ${Math.floor(Date.now() / 1000)}` : ''
  withOwn(O_WRONLY | O_CREAT | O_APPEND, file => {
    if (fstatSync(file).size > LARGEST_FILE_BYTES) ftruncateSync(file)
    // Whole lines, also when several commands append, or one is cut off.
    writeSync(file, `\n${checks.map(check => `${check}${ending}\n`).join('')}`)
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
