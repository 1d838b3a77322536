/** Files of the container tools on this machine, which say how registries are reached (containers-*.5). */
import { accessSync, closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { StrataError, systemWords } from '../values/index.ts'
import { settingsInvalid } from './registry-errors.ts'

const homeOf = ({ HOME }: NodeJS.ProcessEnv): string => (HOME?.startsWith('/') ? HOME : homedir())

const absolute = (path: string | undefined): string | undefined => (path?.startsWith('/') ? path : undefined)

/** The user's folder for settings of container tools. */
export const userConfig = (environment: NodeJS.ProcessEnv): string =>
  join(absolute(environment.XDG_CONFIG_HOME) ?? join(homeOf(environment), '.config'), 'containers')

const SITE_CONFIG = '/etc/containers'

/** The user's folder, then the site's. */
export const configFolders = (environment: NodeJS.ProcessEnv): string[] => [
  userConfig(environment),
  SITE_CONFIG
]

/**
 * Where `podman login` writes: on a file system that lives as long as the session.
 * @returns undefined if the user can have no such folder, as in a batch job
 */
export function sessionAuthFile({ XDG_RUNTIME_DIR }: NodeJS.ProcessEnv): string | undefined {
  const named = absolute(XDG_RUNTIME_DIR)
  const folder = named === undefined ? `/run/containers/${process.geteuid!()}` : join(named, 'containers')
  return mayWriteTo(folder) ? join(folder, 'auth.json') : undefined
}

/** True if the folder, or the nearest one above that exists, is the user's to write to. */
function mayWriteTo(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' && mayWriteTo(dirname(folder))
  }
}

export const userAuthFile = (environment: NodeJS.ProcessEnv): string =>
  join(userConfig(environment), 'auth.json')

export const dockerAuthFile = (environment: NodeJS.ProcessEnv): string =>
  join(absolute(environment.DOCKER_CONFIG) ?? join(homeOf(environment), '.docker'), 'config.json')

/** More than any list of mirrors, logins or certificates. */
const LARGEST_BYTES = 8 << 20

/**
 * Text of a settings file; undefined if it does not exist. A file that the user did not name may have been placed there by
 * somebody else: a pipe that nobody writes to, or one without an end, must not hold the command.
 * @param isNamed by the user, who may name a pipe: `--authfile <(…)`
 * @throws StrataError IO, SETTINGS_INVALID
 */
export function readSettings(path: string, isNamed = false): string | undefined {
  try {
    return readText(path, isNamed)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (cause instanceof StrataError) throw cause
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new StrataError('IO', {
      message: `${path} cannot be read: ${systemWords(cause as Error)}`,
      facts: { file: path, errno: code ?? '' },
      cause
    })
  }
}

function readText(path: string, isNamed: boolean): string {
  const fd = openSync(path, constants.O_RDONLY | (isNamed ? 0 : constants.O_NONBLOCK))
  try {
    if (!isNamed && fstatSync(fd).isFIFO()) throw settingsInvalid(path, 'is a pipe, wanted a file')
    const pieces: Buffer[] = []
    for (let sizeBytes = 0; ; ) {
      const piece = Buffer.allocUnsafe(PIECE_BYTES)
      const count = readSync(fd, piece)
      if (count === 0) return Buffer.concat(pieces).toString('utf8')
      pieces.push(piece.subarray(0, count))
      sizeBytes += count
      if (sizeBytes > LARGEST_BYTES) throw settingsInvalid(path, `has more than ${LARGEST_BYTES} bytes`)
    }
  } finally {
    closeSync(fd)
  }
}

const PIECE_BYTES = 64 << 10
