/** Credentials of the user: found where podman and docker keep them, written where podman writes (spec/registry.md#credentials). */
import { assertOwnSettings, assertOwnWords, writeSettings } from '../disk/index.ts'
import { dropUndefined, StrataError, systemWords } from '../values/index.ts'
import {
  type AuthFile,
  type Credentials,
  credentialsIn,
  type FoundCredentials,
  mapIn,
  readAuthFile
} from './auth-file.ts'
import { askHelper, eraseInHelper, tellHelper } from './credential-helper.ts'
import type { ImageReference } from './reference.ts'
import { dockerAuthFile, sessionAuthFile, userAuthFile } from './settings-files.ts'

export interface CredentialSettings {
  /** The only file that is looked at, if it is named. */
  authFile?: string
  environment: NodeJS.ProcessEnv
}

/** Where a login went, or where credentials were found. */
export interface CredentialPlace {
  file: string
  /** Program that keeps the secret in place of the file. */
  helper?: string
}

const namedFile = ({ authFile, environment }: CredentialSettings): string | undefined =>
  authFile ?? (environment.REGISTRY_AUTH_FILE || undefined)

/** Those that podman writes to, then docker's. */
function searchedFiles(settings: CredentialSettings): string[] {
  const named = namedFile(settings)
  if (named !== undefined) return [named]
  const { environment } = settings
  const session = sessionAuthFile(environment)
  return [...(session === undefined ? [] : [session]), userAuthFile(environment), dockerAuthFile(environment)]
}

/** @throws StrataError SETTINGS_INVALID, FOLDER_UNSAFE, IO, REGISTRY_DENIED of a helper */
export function findCredentials(
  name: Pick<ImageReference, 'host' | 'repository'>,
  settings: CredentialSettings
): Credentials | undefined {
  for (const path of searchedFiles(settings)) {
    const isNamed = namedFile(settings) !== undefined
    const file = readAuthFile(path, isNamed)
    const found = file && credentialsIn(file, name)
    // A login of another user does nobody harm; a program of their choice would be run as root.
    if (found !== undefined && 'helper' in found && !isNamed) assertOwnWords(path)
    const credentials = found && opened(found, settings)
    if (credentials !== undefined) return credentials
  }
  return undefined
}

const opened = (found: FoundCredentials, { environment }: CredentialSettings): Credentials | undefined =>
  'helper' in found ? askHelper(found.helper, found.key, environment) : found

/**
 * Writes the credentials under a key, a host or the beginning of a repository's name.
 * @throws StrataError SETTINGS_INVALID, FOLDER_UNSAFE, IO, REGISTRY_DENIED of a helper
 */
export function saveCredentials(
  key: string,
  credentials: Credentials,
  settings: CredentialSettings
): CredentialPlace {
  const [path] = searchedFiles(settings)
  assertOwnSettings(path) // a file of another user would also name the helper that gets the password
  const file = readAuthFile(path, namedFile(settings) !== undefined) ?? { path, document: {} }
  const helper = helperIn(file, key)
  if (helper !== undefined) {
    tellHelper(helper, { key, credentials }, settings.environment)
    return { file: path, helper }
  }
  const auth = Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')
  writeAuthFile(file, { ...mapIn(file.document, 'auths'), [key]: { auth } })
  return { file: path }
}

function helperIn({ document }: AuthFile, key: string): string | undefined {
  const helper = mapIn(document, 'credHelpers')[key]
  return typeof helper === 'string' ? helper : undefined
}

export interface ForgottenCredentials {
  /** Undefined if the user was not logged in. */
  removed?: CredentialPlace
  /** Another file, written by another tool, that still has credentials for the key. */
  left?: string
}

/** @throws StrataError SETTINGS_INVALID, FOLDER_UNSAFE, IO, REGISTRY_DENIED of a helper */
export function forgetCredentials(key: string, settings: CredentialSettings): ForgottenCredentials {
  const [path, ...others] = searchedFiles(settings)
  const file = readAuthFile(path, namedFile(settings) !== undefined)
  const left = others.find(other => hasKey(readAuthFile(other), key))
  return dropUndefined({ removed: file && removeFrom(file, key, settings), left })
}

function removeFrom(
  file: AuthFile,
  key: string,
  { environment }: CredentialSettings
): CredentialPlace | undefined {
  assertOwnSettings(file.path)
  const helper = helperIn(file, key)
  if (helper !== undefined) {
    eraseInHelper(helper, key, environment)
    return { file: file.path, helper }
  }
  const { [key]: entry, ...rest } = mapIn(file.document, 'auths')
  if (entry === undefined) return undefined
  writeAuthFile(file, rest)
  return { file: file.path }
}

const hasKey = (file: AuthFile | undefined, key: string): boolean =>
  file !== undefined && (key in mapIn(file.document, 'auths') || helperIn(file, key) !== undefined)

function writeAuthFile({ path, document }: AuthFile, auths: Record<string, unknown>): void {
  try {
    writeSettings(path, `${JSON.stringify({ ...document, auths }, undefined, '\t')}\n`)
  } catch (cause) {
    if (cause instanceof StrataError) throw cause
    throw new StrataError('IO', {
      message: `${path} cannot be written: ${systemWords(cause as Error)}`,
      facts: { file: path, errno: (cause as NodeJS.ErrnoException).code ?? '' },
      hint: '--authfile FILE, and REGISTRY_AUTH_FILE=FILE for later commands',
      cause
    })
  }
}
