/**
 * All published modules of a site, with the marks that users want to see. The default version of a name is chosen
 * among all stores (spec/resolve.md#names). A module is loaded in the store from which the current stack takes it.
 */

import type { ModuleSummary } from '../../store/index/index.ts'
import {
  formatModuleName,
  listDefaults,
  type ModuleRecord,
  rankVersions,
  versionKey
} from '../../store/module/index.ts'
import { formatPrefix } from '../../store/remote/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { formatCid, type StrataError } from '../../store/values/index.ts'

export interface OfferedModule extends ModuleSummary {
  /** `category/name-version` */
  text: string
  /** True if a name without a version stands for this module. */
  isDefault: boolean
  /** Number of offered modules with this name, in all stores together. */
  ofName: number
  isLoaded: boolean
  /** True if a store that is searched earlier has a module of the same name and version, which is taken instead. */
  isShadowed: boolean
  /** For a module that no store has: the remote that offers it, and its record. */
  remote: { name: string; record: ModuleRecord } | undefined
}

export interface Offer {
  /** By store in the order of search, category and name in byte order, version from the lowest up. */
  modules: OfferedModule[]
  /** Entries in refs/ that cannot be listed. */
  faults: StrataError[]
}

export interface OfferOptions {
  /** Offers hidden modules, too. The default version stays the same. */
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
  offered.push(...(await remoteModules(store, offered)))
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

/** Made without spreading, so that all objects have one shape: there are ten thousand. */
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
  isShadowed: false,
  remote: undefined
})

/** What remotes offered when they were last asked, and no store has. Hidden modules of others stay hidden. */
async function remoteModules(store: Repository, here: OfferedModule[]): Promise<OfferedModule[]> {
  const offers = await store.offers()
  if (offers.length === 0) return []
  const known = new Set(here.map(({ text }) => text))
  const modules = offers
    .filter(({ record }) => !known.has(formatModuleName(record)))
    .map(({ id, record, remote: { name, prefix } }) => ({
      ...unmarked({
        ...record,
        name: { category: record.category, name: record.name, version: record.version },
        record: formatCid(id),
        store: { root: `${name} (${formatPrefix(prefix)})`, profile: store.profile }
      }),
      remote: { name, record }
    }))
  const key = ({ store: { root }, name: { category, name } }: OfferedModule) =>
    `${root}\0${category}\0${name}`
  return modules.sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0))
}

/** Sorts the versions of each name. Versions of one name already stand next to each other. */
function sortVersions(modules: OfferedModule[]): void {
  for (let start = 0, end = 0; start < modules.length; start = end) {
    while (end < modules.length && isSameShelf(modules[start], modules[end])) end++
    if (end - start === 1) continue
    const keyed = modules.slice(start, end).map(module => ({ module, key: versionKey(module.name.version) }))
    // Versions that Lmod takes as equal stay in byte order, as compareVersions has them.
    keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    for (const [i, { module }] of keyed.entries()) modules[start + i] = module
  }
}

const isSameShelf = (a: OfferedModule, b: OfferedModule): boolean =>
  a.name.name === b.name.name && a.name.category === b.name.category && a.store.root === b.store.root

/** `category/name` */
export const nameOf = ({ name: { category, name } }: ModuleSummary): string => `${category}/${name}`

/** Groups modules by name, in the order of first occurrence. */
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

/** Versions that are marked as default in a store. */
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
  // What a store has is taken before anything of a remote.
  const isHere = modules.some(({ remote }) => remote === undefined)
  for (const module of modules) {
    if (isHere && module.remote !== undefined) continue
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

/** A default counts even if it is hidden, because somebody chose it. */
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
