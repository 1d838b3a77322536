/**
 * What a site offers: every published module with what a user wants to see beside it. A version is what its name
 * stands for (spec/resolve.md#names) by all stores together, and it is loaded where the current stack takes it from.
 */

import type { ModuleSummary } from '../../store/index/index.ts'
import { formatModuleName, listDefaults, rankVersions, versionKey } from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import type { StrataError } from '../../store/values/index.ts'

export interface OfferedModule extends ModuleSummary {
  /** `category/name-version` */
  text: string
  /** What its name stands for when no version is typed. */
  isDefault: boolean
  /** How many modules of its name are offered, in all stores together. */
  ofName: number
  isLoaded: boolean
  /** A store that is searched earlier has a module of this very name, which is taken instead. */
  isShadowed: boolean
}

export interface Offer {
  /** By store in the order of search, category and name in byte order, version from the lowest up. */
  modules: OfferedModule[]
  /** What is in refs/ and cannot be listed. */
  faults: StrataError[]
}

export interface OfferOptions {
  /** With hidden modules; which version is the default stays the same. */
  hidden?: boolean
  /** Version of each loaded name, by `category/name`. */
  loaded?: ReadonlyMap<string, string>
}

/** @throws StrataError IO if refs/ of a store cannot be read */
export async function offeredModules(
  store: Repository,
  { hidden = false, loaded = new Map() }: OfferOptions = {}
): Promise<Offer> {
  const { modules, faults } = await store.catalogue().modules()
  const offered = modules.map(unmarked)
  sortVersions(offered)
  const { defaults, faults: unread } = readDefaults(store)
  for (const [key, versions] of byName(offered)) {
    markVersions(versions, defaults.get(key), loaded.get(key))
    countOffered(versions, hidden)
  }
  return {
    modules: hidden ? offered : offered.filter(module => !module.hidden),
    faults: [...faults, ...unread]
  }
}

/** One form for all, without spreading: it is made ten thousand times. */
const unmarked = ({
  name,
  record,
  store,
  kind,
  summary,
  family,
  hidden,
  deprecated,
  labels
}: ModuleSummary): OfferedModule => ({
  name,
  record,
  store,
  kind,
  summary,
  family,
  hidden,
  deprecated,
  labels,
  text: formatModuleName(name),
  isDefault: false,
  ofName: 1,
  isLoaded: false,
  isShadowed: false
})

/** Versions of one name stand next to each other; only they change places. */
function sortVersions(modules: OfferedModule[]): void {
  for (let start = 0, end = 0; start < modules.length; start = end) {
    while (end < modules.length && isSameShelf(modules[start], modules[end])) end++
    if (end - start === 1) continue
    const keyed = modules.slice(start, end).map(module => ({ module, key: versionKey(module.name.version) }))
    // Versions that Lmod holds for equal stay in byte order, as compareVersions has them.
    keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    for (const [i, { module }] of keyed.entries()) modules[start + i] = module
  }
}

const isSameShelf = (a: OfferedModule, b: OfferedModule): boolean =>
  a.name.name === b.name.name && a.name.category === b.name.category && a.store.root === b.store.root

/** `category/name` */
export const nameOf = ({ name: { category, name } }: ModuleSummary): string => `${category}/${name}`

/** In the order in which names are met. */
export function byName<T extends ModuleSummary>(modules: T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const module of modules) {
    const key = nameOf(module)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [module])
    else group.push(module)
  }
  return groups
}

/** Which versions are marked as defaults, in any store. */
function readDefaults(store: Repository): { defaults: Map<string, Set<string>>; faults: StrataError[] } {
  const defaults = new Map<string, Set<string>>()
  const faults: StrataError[] = []
  for (const { root } of store.searched) {
    const listed = listDefaults(root)
    faults.push(...listed.faults)
    for (const { category, name, value } of listed.notes) {
      const key = `${category}/${name}`
      defaults.set(key, (defaults.get(key) ?? new Set()).add(value))
    }
  }
  return { defaults, faults }
}

/** @param modules of one name, store by store */
function markVersions(
  modules: OfferedModule[],
  defaults: ReadonlySet<string> | undefined,
  loaded: string | undefined
): void {
  const first = new Map<string, OfferedModule>()
  for (const module of modules) {
    module.isShadowed = first.has(module.name.version)
    if (!module.isShadowed) first.set(module.name.version, module)
  }
  const best = first.size === 1 && defaults === undefined ? modules[0] : bestOf(first, defaults)
  if (best !== undefined && isTaken(best, defaults)) best.isDefault = true
  if (loaded !== undefined && first.has(loaded)) first.get(loaded)!.isLoaded = true
}

function countOffered(modules: OfferedModule[], hidden: boolean): void {
  if (modules.length === 1) return
  const ofName = hidden ? modules.length : modules.filter(module => !module.hidden).length
  for (const module of modules) module.ofName = ofName
}

/** A default is taken even if it is hidden: somebody marked it. */
const isTaken = ({ hidden, name }: OfferedModule, defaults: ReadonlySet<string> | undefined): boolean =>
  !hidden || defaults?.has(name.version) === true

function bestOf(
  versions: Map<string, OfferedModule>,
  defaults: ReadonlySet<string> | undefined
): OfferedModule | undefined {
  const highestFirst = [...versions.keys()]
    .map(version => ({ version, key: versionKey(version), isDefault: defaults?.has(version) === true }))
    .sort((a, b) => (a.key === b.key ? (a.version < b.version ? 1 : -1) : a.key < b.key ? 1 : -1))
  return rankVersions(highestFirst, undefined)
    .map(({ version }) => versions.get(version)!)
    .find(module => isTaken(module, defaults))
}
