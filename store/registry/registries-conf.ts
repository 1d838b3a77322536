/** Mirrors, locations and http of registries: `registries.conf` and `registries.conf.d` (spec/registry.md#mirrors). */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parse, type TomlError } from 'smol-toml'
import { assertOwnWords } from '../disk/index.ts'
import { isMap, StrataError, trimLast } from '../values/index.ts'
import { formatReference, formatRepository, hostFault, type ImageReference, usualHost } from './reference.ts'
import { settingsInvalid } from './registry-errors.ts'
import { configFolders, readSettings } from './settings-files.ts'

/** One place from which an image can be had. */
export interface ImagePlace extends ImageReference {
  /** True if http, or a certificate that cannot be checked, will do. */
  insecure: boolean
}

interface Location {
  /** Host and perhaps the beginning of a repository. */
  location: string
  insecure: boolean
}

interface Mirror extends Location {
  for: 'all' | 'digest-only' | 'tag-only'
}

interface RegistryEntry extends Location {
  prefix: string
  blocked: boolean
  mirrors: Mirror[]
}

/**
 * The places of an image in the order in which they are to be asked: mirrors, then the registry itself.
 * @throws StrataError SETTINGS_INVALID; REGISTRY_DENIED for a registry that the settings block
 */
export function placesOf(reference: ImageReference, environment: NodeJS.ProcessEnv): ImagePlace[] {
  const entry = longestFitting(readEntries(environment), reference)
  if (entry === undefined) return [{ ...reference, insecure: false }]
  if (entry.blocked)
    throw new StrataError('REGISTRY_DENIED', {
      message: `registry ${reference.host}: ${formatReference(reference)} is blocked by registries.conf (prefix ${entry.prefix})`,
      facts: { registry: reference.host }
    })
  const mirrors = entry.mirrors.filter(
    mirror => mirror.for === 'all' || (mirror.for === 'digest-only') === (reference.digest !== undefined)
  )
  return [...mirrors, entry].map(location => moved(reference, entry.prefix, location))
}

/** The registry itself, and no mirror. @throws as placesOf */
export const ownPlace = (reference: ImageReference, environment: NodeJS.ProcessEnv): ImagePlace =>
  placesOf(reference, environment).at(-1)!

/** Entries of later files replace those of earlier ones with the same prefix. */
function readEntries(environment: NodeJS.ProcessEnv): RegistryEntry[] {
  const entries = new Map<string, RegistryEntry>()
  const isNamed = Boolean(environment.CONTAINERS_REGISTRIES_CONF)
  for (const path of settingsFiles(environment)) {
    const text = readSettings(path, isNamed)
    if (text === undefined) continue
    // It says from where images come, to where modules go, and that certificates do not matter.
    if (!isNamed) assertOwnWords(path)
    for (const entry of parseRegistries(text, path)) entries.set(entry.prefix, entry)
  }
  return [...entries.values()]
}

/** The user's registries.conf takes the place of the site's; folders of both are read, the user's later. */
function settingsFiles(environment: NodeJS.ProcessEnv): string[] {
  const [user, site] = configFolders(environment)
  const named = environment.CONTAINERS_REGISTRIES_CONF
  if (named) return [named]
  const own = join(user, 'registries.conf')
  const main = existsSync(own) ? own : join(site, 'registries.conf')
  return [main, ...[site, user].flatMap(folder => filesIn(join(folder, 'registries.conf.d')))]
}

function filesIn(folder: string): string[] {
  try {
    const names = readdirSync(folder).filter(name => name.endsWith('.conf'))
    return names.sort().map(name => join(folder, name))
  } catch {
    return []
  }
}

/** @throws StrataError SETTINGS_INVALID with file and key */
export function parseRegistries(text: string, path: string): RegistryEntry[] {
  const document = parseToml(text, path)
  const list = document.registry
  if (list === undefined) return []
  if (!Array.isArray(list)) throw settingsInvalid(path, 'registry is not a list of tables: [[registry]]')
  return list.map((value, i) => readEntry(value, `registry ${i + 1}`, path))
}

function parseToml(text: string, path: string): Record<string, unknown> {
  try {
    return parse(text)
  } catch (cause) {
    const { line, column } = cause as TomlError
    const [fault] = (cause as Error).message.split('\n')
    throw settingsInvalid(path, `line ${line}, column ${column}: it is not TOML: ${fault}`, cause)
  }
}

function readEntry(value: unknown, what: string, path: string): RegistryEntry {
  if (!isMap(value)) throw settingsInvalid(path, `${what} is not a table`)
  const { location = value.prefix, prefix = location, blocked = false, mirror = [] } = value
  const byDigest = value['mirror-by-digest-only'] === true
  if (typeof prefix !== 'string' || prefix === '' || !Array.isArray(mirror))
    throw settingsInvalid(
      path,
      `${what} has no prefix or location, or a mirror that is no [[registry.mirror]]`
    )
  return {
    prefix,
    ...readLocation(prefix.startsWith('*.') && value.location === undefined ? '' : location, value, {
      what,
      path
    }),
    blocked: blocked === true,
    mirrors: mirror.map((one, i) => readMirror(one, byDigest, { what: `${what}, mirror ${i + 1}`, path }))
  }
}

interface Where {
  what: string
  path: string
}

function readMirror(value: unknown, byDigest: boolean, where: Where): Mirror {
  if (!isMap(value)) throw settingsInvalid(where.path, `${where.what} is not a table`)
  const wanted = value['pull-from-mirror'] ?? (byDigest ? 'digest-only' : 'all')
  if (wanted !== 'all' && wanted !== 'digest-only' && wanted !== 'tag-only')
    throw settingsInvalid(
      where.path,
      `${where.what}: pull-from-mirror is neither all, digest-only nor tag-only`
    )
  return { ...readLocation(value.location, value, where), for: wanted }
}

/** @param location empty for an entry whose images keep their host */
function readLocation(location: unknown, { insecure }: Record<string, unknown>, where: Where): Location {
  if (typeof location !== 'string' || (location !== '' && hostFault(location.split('/')[0]) !== undefined))
    throw settingsInvalid(where.path, `${where.what}: location does not begin with a host`)
  return { location: trimLast(location, '/'), insecure: insecure === true }
}

function longestFitting(entries: RegistryEntry[], reference: ImageReference): RegistryEntry | undefined {
  const fitting = entries.filter(({ prefix }) => fitsPrefix(reference, prefix))
  return fitting.sort((a, b) => b.prefix.length - a.prefix.length)[0]
}

/** A prefix is `host`, `host/a`, `host/a/b:tag` or `*.domain`; it ends where a part of the name ends. */
function fitsPrefix(reference: ImageReference, prefix: string): boolean {
  const name = formatReference(reference)
  if (prefix.startsWith('*.')) return reference.host.replace(/:[0-9]+$/, '').endsWith(prefix.slice(1))
  const wanted = usualPrefix(prefix)
  const after = wanted.includes('/') ? /^([/:@]|$)/ : /^\// // a host without its port is another host
  return name.startsWith(wanted) && after.test(name.slice(wanted.length))
}

function usualPrefix(prefix: string): string {
  const [host, ...rest] = prefix.split('/')
  return [usualHost(host), ...rest].join('/')
}

/** The image below another location: the part of its name that the prefix does not cover stays. */
function moved(reference: ImageReference, prefix: string, { location, insecure }: Location): ImagePlace {
  const covered = prefix.startsWith('*.') ? reference.host : withoutVersion(usualPrefix(prefix))
  const rest = formatRepository(reference).slice(covered.length)
  const [host, ...parts] = `${location || reference.host}${rest}`.split('/')
  const { tag, digest } = reference
  return {
    host: usualHost(host),
    repository: parts.join('/'),
    ...(tag !== undefined && { tag }),
    ...(digest !== undefined && { digest }),
    insecure
  }
}

/** A port at the end of a prefix belongs to its host, a tag or digest does not belong to the repository. */
function withoutVersion(prefix: string): string {
  const slash = prefix.lastIndexOf('/')
  return slash < 0 ? prefix : prefix.slice(0, slash) + prefix.slice(slash).split(/[:@]/, 1)[0]
}
