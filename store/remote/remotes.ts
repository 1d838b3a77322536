/**
 * Registries whose modules count as those of a site: `remotes` in the settings of the user and of the host, and in the
 * folder trust/ of each store (spec/registry.md#remotes). A line has a name and HOST/PREFIX; what follows # is a comment.
 */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { assertOwnSettings, writeSettings } from '../disk/index.ts'
import { publishersOf, type StoreRoot } from '../files/index.ts'
import { readTrusted, type TrustedPlace } from '../policy/index.ts'
import { hostUrl, type ImageReference } from '../registry/index.ts'
import { dropUndefined, StrataError, systemWords } from '../values/index.ts'
import { formatPrefix, parsePrefix, type RemotePrefix } from './module-place.ts'

export interface Remote {
  name: string
  prefix: RemotePrefix
  /** The file that names it. */
  file: string
  /** The registry stays on the site, as the host's or a store's list says. */
  isInternal?: boolean
  /** A store of another user, whose word holds for its own modules alone. */
  within?: string
}

/** Written by root, for all users of the host and all stores. */
export const HOST_REMOTES = '/etc/strata/remotes'

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/** The user's own list. */
export function userRemotes(): string {
  const config = process.env.XDG_CONFIG_HOME
  return join(config?.startsWith('/') ? config : join(homedir(), '.config'), 'strata/remotes')
}

/**
 * In the order in which they are asked: the user's, then those of the host, then those of the stores. A name counts once.
 * @throws StrataError SETTINGS_INVALID, REFERENCE_NAME
 */
export function readRemotes(searched: readonly StoreRoot[]): Remote[] {
  const remotes = new Map<string, Remote>()
  for (const { file, text, within } of textsOf(searched))
    for (const remote of parseRemotes(text, file))
      if (!remotes.has(remote.name)) remotes.set(remote.name, dropUndefined({ ...remote, within }))
  return [...remotes.values()]
}

/**
 * True if the list of the host or of a store says that what lies below this place stays on the site.
 * @param from the store that has what is sent; undefined for what may be from several
 */
export const isOnSite = (
  remotes: readonly Remote[],
  { host, repository }: Pick<ImageReference, 'host' | 'repository'>,
  from?: string
): boolean =>
  remotes.some(
    ({ isInternal, prefix, within }) =>
      isInternal === true &&
      (within === undefined || within === from) &&
      prefix.host === host &&
      (prefix.path === '' || `${repository}/`.startsWith(`${prefix.path}/`))
  )

/** Undefined for stores of the user and of root, who may speak for all modules. */
function limitOf(place: TrustedPlace): string | undefined {
  if (!('root' in place)) return undefined
  return [0, process.geteuid!()].includes(publishersOf(place.root).owner) ? undefined : place.root
}

interface RemoteList extends Pick<Remote, 'file' | 'within'> {
  text: string
}

function* textsOf(searched: readonly StoreRoot[]): Generator<RemoteList> {
  const places: TrustedPlace[] = [
    { ofUser: userRemotes() },
    { ofHost: HOST_REMOTES },
    ...searched.map(({ root }) => ({ root, name: 'remotes' }))
  ]
  for (const place of places) {
    try {
      const found = readTrusted(place)
      if (found !== undefined)
        yield { file: found.file, text: found.bytes.toString('utf8'), within: limitOf(place) }
    } catch (cause) {
      if (!(cause instanceof StrataError)) throw cause
      throw new StrataError('SETTINGS_INVALID', {
        message: cause.message,
        facts: cause.facts,
        hint: cause.hint,
        cause
      })
    }
  }
}

function parseRemotes(text: string, file: string): Remote[] {
  const remotes: Remote[] = []
  for (const [i, line] of text.split('\n').entries()) {
    const words = line.replace(/#.*/, '').trim().split(/\s+/)
    if (words[0] === '') continue
    const [name, address, ...more] = words
    // Users say it with each push (--internal); a word that their own list keeps would be forgotten.
    const isInternal = more.join(' ') === 'internal' && file !== userRemotes()
    if (address === undefined || !(more.length === 0 || isInternal) || !NAME.test(name))
      throw new StrataError('SETTINGS_INVALID', {
        message: `${file}, line ${i + 1}: wanted a name and HOST/PREFIX, and in the list of a host or store perhaps "internal"`,
        facts: { file }
      })
    remotes.push({ name, prefix: parsePrefix(address), file, ...(isInternal && { isInternal }) })
  }
  return remotes
}

/** @throws StrataError USAGE, REFERENCE_NAME, SETTINGS_INVALID, FOLDER_UNSAFE, IO */
export function addRemote(name: string, prefix: RemotePrefix): Remote {
  if (!NAME.test(name))
    throw new StrataError('USAGE', {
      message: `"${name}" is not a name for a remote`,
      hint: 'up to 64 letters, digits and . _ -, such as: compose remote add site registry.example.org/site'
    })
  hostUrl(prefix.host)
  const file = userRemotes()
  assertOwnSettings(file)
  const known = parseRemotes(readOwn(file), file).find(remote => remote.name === name)
  if (known !== undefined && formatPrefix(known.prefix) !== formatPrefix(prefix))
    throw new StrataError('USAGE', {
      message: `remote ${name} is ${formatPrefix(known.prefix)}`,
      hint: `compose remote rm ${name}, or another name`
    })
  if (known === undefined) write(file, `${withEnd(readOwn(file))}${name} ${formatPrefix(prefix)}\n`)
  return { name, prefix, file }
}

/** @throws StrataError USAGE for a name that the user's list does not have; FOLDER_UNSAFE, IO */
export function removeRemote(name: string, remotes: readonly Remote[]): Remote {
  const file = userRemotes()
  const known = remotes.find(remote => remote.name === name)
  if (known?.file !== file)
    throw new StrataError('USAGE', {
      message:
        known === undefined
          ? `there is no remote ${name}`
          : `remote ${name} stands in ${known.file}, not in your own list`,
      hint: 'compose remote list'
    })
  assertOwnSettings(file)
  const lines = readOwn(file).split('\n')
  write(file, lines.filter(line => line.replace(/#.*/, '').trim().split(/\s+/)[0] !== name).join('\n'))
  return known
}

const withEnd = (text: string): string => (text === '' || text.endsWith('\n') ? text : `${text}\n`)

function readOwn(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw cannot(path, error)
  }
}

function write(file: string, text: string): void {
  try {
    writeSettings(file, text)
  } catch (error) {
    throw error instanceof StrataError ? error : cannot(file, error)
  }
}

const cannot = (file: string, cause: unknown): StrataError =>
  new StrataError('IO', { message: `${file}: ${systemWords(cause as Error)}`, facts: { file }, cause })
