/**
 * Parses a word as users of Lmod type it: `vasp` and `vasp-6` if one module has that name, `openmpi/4.1.4`, and a range
 * behind either (spec/resolve.md#typed). This is only for typed words; files always name the category.
 */
import type { Store } from '../files/index.ts'
import {
  findAlias,
  type ModuleRequest,
  matchesVersion,
  nameFault,
  parseModuleRequest,
  parseShortName,
  type RangedRequest,
  rankVersions,
  type ShortName,
  splitRange
} from '../module/index.ts'
import { StrataError } from '../values/index.ts'
import { type FindOptions, findModule, publishedVersions } from './find-module.ts'
import { allNames, unknownError } from './suggestions.ts'

/** @throws StrataError MODULE_NAME, MODULE_UNKNOWN, MODULE_CHOICE with the possible modules; USAGE for a range */
export async function parseTypedRequest(
  store: Store,
  word: string,
  options: FindOptions = {}
): Promise<RangedRequest> {
  const { module, constraints } = splitRange(word, 'module')
  const request = await parseTypedName(store, module, options)
  return constraints.length === 0 ? request : { ...request, constraints }
}

/** Like `parseTypedRequest`, without a range. @throws StrataError MODULE_NAME, MODULE_UNKNOWN, MODULE_CHOICE */
export async function parseTypedName(
  store: Store,
  word: string,
  options: FindOptions = {}
): Promise<ModuleRequest> {
  const short = shortNameOf(word)
  if (short === undefined) return parseModuleRequest(word)
  if (word.includes('/')) {
    const request = parseModuleRequest(word)
    if (publishedVersions(store, request).length > 0 || findAlias(store, request) !== undefined)
      return request
  }
  const found = await dropHidden(store, withShortName(allNames(store), short, store), options)
  const counted = found.length > 0 ? found : await offeredNames(short, options)
  if (counted.length === 1) return counted[0]
  if (counted.length === 0) throw unknownError(store, word)
  throw ambiguousName(word, counted)
}

/** What no store has may have been offered. If several modules have the name, hidden ones do not count. */
async function offeredNames(short: ShortName, { offered, hidden }: FindOptions): Promise<ModuleRequest[]> {
  const fitting = ((await offered?.()) ?? []).filter(
    ({ name: { name, version } }) => name === short.name && matchesVersion(short.version, version)
  )
  const visible = hidden ? fitting : fitting.filter(one => !one.hidden)
  const names = new Set(
    (visible.length > 0 ? visible : fitting).map(({ name }) => `${name.category}/${name.name}`)
  )
  return matchShortName([...names].sort(), short)
}

/** The parts of a word without category: `vasp`, `vasp-6`, and `vasp/6`, where Lmod has a version behind the slash. */
export function shortNameOf(word: string): ShortName | undefined {
  if (!word.includes('/')) return parseShortName(word)
  const [, name, version] = /^([^/]+)\/([0-9][^/]*)$/.exec(word) ?? []
  return name === undefined || nameFault({ category: name, name }) !== undefined
    ? undefined
    : { name, version }
}

/** Names of `category/name` for which a short name may stand. */
export const matchShortName = (names: string[], { name, version }: ShortName): ModuleRequest[] =>
  names
    .map(text => text.split('/'))
    .filter(([, other]) => other === name)
    .map(([category]) => ({ category, name, ...(version !== undefined && { version }) }))

const withShortName = (names: string[], short: ShortName, store: Store): ModuleRequest[] =>
  matchShortName(
    names.filter(text => text.endsWith(`/${short.name}`)),
    short
  ).filter(request => rankVersions(publishedVersions(store, request), request.version).length > 0)

/** If several modules have the name, hidden ones do not count. */
async function dropHidden(
  store: Store,
  requests: ModuleRequest[],
  options: FindOptions
): Promise<ModuleRequest[]> {
  if (requests.length < 2) return requests
  const visible: ModuleRequest[] = []
  for (const request of requests)
    await findModule(store, request, options).then(
      () => visible.push(request),
      error => {
        if (!(error instanceof StrataError) || error.code !== 'MODULE_UNKNOWN') throw error
      }
    )
  return visible
}

export const ambiguousName = (word: string, found: ModuleRequest[]): StrataError =>
  new StrataError('MODULE_CHOICE', {
    message: `"${word}" is the name of ${found.length} modules: wanted one of them, with its category`,
    facts: { modules: found.map(({ category, name }) => `${category}/${name}`) },
    hint: `the same command with ${found[0].category}/${word.replace('/', '-')}`
  })
