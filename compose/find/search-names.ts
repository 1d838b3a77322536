/** Searches modules by name, as `module spider` does: every name, one name, or one module. */

import { compareVersions, formatModuleRequest, parseModuleRequest } from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { pathFromText, StrataError, showPath } from '../../store/values/index.ts'
import { byName, type OfferedModule } from './offered-modules.ts'
import { type Matcher, matcherOf } from './pattern.ts'

export interface OfferedName {
  /** `category/name` */
  name: string
  /** Summary of the default version, else of the highest version that has one. */
  summary?: string
  /** Each version once, from the lowest up. If several stores have a version, the one that is taken counts. */
  versions: OfferedModule[]
}

/** Names in byte order. */
export function offeredNames(modules: OfferedModule[]): OfferedName[] {
  const names = [...byName(modules)].map(([name, versions]) => offeredName(name, versions))
  return names.sort((a, b) => (a.name < b.name ? -1 : 1))
}

function offeredName(name: string, modules: OfferedModule[]): OfferedName {
  const seen = new Set<string>()
  const versions = modules.filter(({ text }) => !seen.has(text) && seen.add(text))
  if (modules.some(({ store }) => store.root !== modules[0].store.root))
    versions.sort((a, b) => compareVersions(a.name.version, b.name.version))
  const described = versions.filter(({ summary }) => summary !== undefined)
  const best = described.find(({ isDefault }) => isDefault) ?? described.at(-1)
  return { name, versions, ...(best !== undefined && { summary: best.summary }) }
}

export interface SpiderMatch extends OfferedName {
  /** The module, if only one version matches. */
  module?: OfferedModule
  /** Other names that contain the word, if the word itself is a name. */
  others: string[]
}

/**
 * Finds the name or full name that equals `word`, else all names that contain it or have a version that does.
 * @throws StrataError MODULE_UNKNOWN
 */
export async function spiderSearch(
  store: Repository,
  names: OfferedName[],
  word: string,
  options: { regexp?: boolean } = {}
): Promise<SpiderMatch[]> {
  const found = search(names, word, await matcherOf([word], options))
  const target = found.length > 0 ? undefined : otherName(store, word)
  const matches = target === undefined ? found : search(names, target, await matcherOf([target]))
  if (matches.length > 0) return matches
  throw new StrataError('MODULE_UNKNOWN', {
    message: `Unable to find: "${showPath(pathFromText(word))}".`,
    facts: { stores: store.searched.map(({ root }) => showPath(pathFromText(root))) },
    hint: 'compose keyword WORD searches the descriptions of modules'
  })
}

function search(names: OfferedName[], word: string, matches: Matcher): SpiderMatch[] {
  const named = names.find(({ name }) => name === word)
  if (named !== undefined) {
    const others = names.filter(({ name }) => name !== word && matches(name)).map(({ name }) => name)
    return [matchOf(named, named.versions, others)]
  }
  const full = names.flatMap(name => {
    const module = name.versions.find(({ text }) => text === word)
    return module === undefined ? [] : [matchOf(name, [module])]
  })
  if (full.length > 0) return full
  return names.flatMap(name => {
    const versions = name.versions.filter(({ text }) => matches(text))
    return versions.length > 0 || matches(name.name) ? [matchOf(name, versions)] : []
  })
}

const matchOf = (name: OfferedName, versions: OfferedModule[], others: string[] = []): SpiderMatch => ({
  ...name,
  others,
  ...(versions.length === 1 && { module: versions[0] })
})

/** The full name behind an alias, or behind a name in Lmod's spelling. */
function otherName(store: Repository, word: string): string | undefined {
  try {
    const request = parseModuleRequest(word)
    const target = formatModuleRequest(store.resolveAlias(request))
    return target === word ? undefined : target
  } catch (error) {
    if (error instanceof StrataError) return undefined // not a name, or a broken alias, which fsck reports
    throw error
  }
}

/**
 * Finds names where a word is part of the name, or of a summary or label of a version, in upper or lower case.
 * Versions without the word are left out.
 */
export async function keywordSearch(
  modules: OfferedModule[],
  words: string[],
  options: { regexp?: boolean } = {}
): Promise<OfferedName[]> {
  const matches = await matcherOf(words, options)
  return offeredNames(
    modules.filter(({ text, summary, labels }) =>
      [text, summary ?? '', ...Object.entries(labels).flat()].some(matches)
    )
  )
}
