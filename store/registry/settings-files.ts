/** Files of the container tools on this machine, which say how registries are reached (containers-*.5). */
import { accessSync, constants, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { StrataError, systemWords } from '../values/index.ts'

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

/** Text of a settings file; undefined if it does not exist. @throws StrataError IO */
export function readSettings(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new StrataError('IO', {
      message: `${path} cannot be read: ${systemWords(cause as Error)}`,
      facts: { file: path, errno: code ?? '' },
      cause
    })
  }
}
