/** Files with credentials, as containers-auth.json(5) and docker describe them: what one of them says about a registry. */
import { isMap, trimLast } from '../values/index.ts'
import { formatRepository, type ImageReference, usualHost } from './reference.ts'
import { settingsInvalid } from './registry-errors.ts'
import { readSettings } from './settings-files.ts'

/** Either a name with its password, or a token that stands for both. */
export interface Credentials {
  username: string
  password: string
  /** A token of the account, from which tokens for single requests are made. */
  identityToken?: string
}

/** What a file says: the credentials themselves, or the program that keeps them under a key. */
export type FoundCredentials = Credentials | { helper: string; key: string }

export interface AuthFile {
  path: string
  /** Other fields of the file stay as they are when it is written again. */
  document: Record<string, unknown>
}

/**
 * @param isNamed by the user
 * @returns undefined if there is no such file
 * @throws StrataError SETTINGS_INVALID, IO
 */
export function readAuthFile(path: string, isNamed = false): AuthFile | undefined {
  const text = readSettings(path, isNamed)
  if (text === undefined) return undefined
  if (text.trim() === '') return { path, document: {} }
  try {
    const document: unknown = JSON.parse(text)
    if (isMap(document)) return { path, document }
  } catch (cause) {
    // The cause would show a part of the file, and with it a password.
    const { name } = cause as Error
    throw settingsInvalid(path, `is not JSON (${name})`)
  }
  throw settingsInvalid(path, 'is not a JSON object')
}

export const mapIn = (document: Record<string, unknown>, name: string): Record<string, unknown> => {
  const value = document[name]
  return isMap(value) ? value : {}
}

/**
 * The credentials for a repository. Entries for a longer part of its name go before those for the host.
 * @throws StrataError SETTINGS_INVALID
 */
export function credentialsIn(
  { path, document }: AuthFile,
  name: Pick<ImageReference, 'host' | 'repository'>
): FoundCredentials | undefined {
  const helpers = mapIn(document, 'credHelpers')
  for (const key of hostKeys(name.host)) {
    const helper = helpers[key]
    if (typeof helper === 'string') return { helper: checkHelper(path, helper), key }
  }
  const auths = mapIn(document, 'auths')
  const byKey = new Map(Object.keys(auths).map(key => [usualKey(key), key]))
  for (const wanted of keysFor(name)) {
    const key = byKey.get(wanted)
    if (key === undefined) continue
    const found = decodeEntry(auths[key], path, key)
    if (found !== undefined) return found
  }
  const store = document.credsStore
  if (typeof store !== 'string' || store === '') return undefined
  return { helper: checkHelper(path, store), key: hostKeys(name.host).at(-1)! }
}

/** `host/a/b`, `host/a`, `host`. */
function keysFor(name: Pick<ImageReference, 'host' | 'repository'>): string[] {
  const parts = formatRepository(name).split('/')
  return parts.map((_, i) => parts.slice(0, parts.length - i).join('/'))
}

/** Docker writes `https://index.docker.io/v1/`, and old versions addresses of other registries. */
function usualKey(key: string): string {
  const isAddress = /^https?:\/\//.test(key)
  const plain = key.replace(/^https?:\/\//, '')
  const [host, ...rest] = plain.split('/')
  return [usualHost(host), ...(isAddress ? [] : rest)].join('/')
}

/** Keys under which helpers keep the credentials of a host. */
const hostKeys = (host: string): string[] =>
  host === 'docker.io' ? ['docker.io', 'https://index.docker.io/v1/'] : [host]

/** The name becomes part of the name of a program that is run. */
function checkHelper(path: string, helper: string): string {
  if (/^[A-Za-z0-9._-]{1,64}$/.test(helper)) return helper
  throw settingsInvalid(path, `names "${helper}", which cannot be the name of a credential helper`)
}

function decodeEntry(value: unknown, path: string, key: string): Credentials | undefined {
  if (!isMap(value)) return undefined
  const { auth, identitytoken } = value
  const token = typeof identitytoken === 'string' && identitytoken !== '' ? identitytoken : undefined
  if (typeof auth !== 'string' || auth === '')
    return token === undefined ? undefined : { username: '', password: '', identityToken: token }
  const text = Buffer.from(auth, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon < 0) throw settingsInvalid(path, `auths["${key}"].auth is not base64 of NAME:PASSWORD`)
  const named = { username: text.slice(0, colon), password: trimLast(text.slice(colon + 1), '\0') }
  return token === undefined ? named : { ...named, identityToken: token }
}
