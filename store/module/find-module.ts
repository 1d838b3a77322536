/**
 * From what a user typed to a published module, as Lmod finds it: an exact version wherever it is, else of all that
 * fit, in all stores together, the default, else the highest (spec/resolve.md#names).
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { StrataError } from '../errors.ts'
import type { Store, StoreRoot } from '../store.ts'
import { withoutAlias } from './aliases.ts'
import { readDefault } from './defaults.ts'
import {
  formatModuleName,
  formatModuleRequest,
  type ModuleName,
  type ModuleRequest,
  versionFault
} from './name.ts'
import { type PublishedVersion, rankVersions } from './rank-versions.ts'
import { MODULES, readRef, unreadable } from './ref-file.ts'
import { compareVersions } from './version-order.ts'

export { type PublishedVersion, rankVersions } from './rank-versions.ts'

export interface FoundModule {
  name: ModuleName
  record: CID
  store: StoreRoot
}

export interface FindOptions {
  /** Take hidden modules like others; without it only an exact name finds one, or a default. */
  hidden?: boolean
}

/**
 * @throws StrataError MODULE_UNKNOWN, with modules of like names; BLOB_MISSING, BLOB_CORRUPT, MANIFEST_INVALID when a
 *   record that is looked at cannot be read
 */
export async function findModule(
  store: Store,
  asked: ModuleRequest,
  { hidden = false }: FindOptions = {}
): Promise<FoundModule> {
  const request = meant(store, asked)
  for (const { version, isDefault } of rankVersions(publishedVersions(store, request), request.version)) {
    const found = findExact(store, { ...request, version })
    if (found === undefined) continue // removed since its folder was read
    // A default is taken even if it is hidden, as Lmod does: somebody marked it.
    if (hidden || isDefault || version === request.version || !(await isHidden(store, found.record)))
      return found
  }
  throw unknownModule(store, request)
}

/** What a request stands for, should its name be an alias. @throws StrataError MANIFEST_INVALID, IO */
export const meant = (store: Store, request: ModuleRequest): ModuleRequest =>
  withoutAlias(store, request, named => publishedVersions(store, named).length > 0)

/** A name that is whole, in the first store that has it. @throws StrataError MANIFEST_INVALID, IO */
export function findExact(store: Store, name: ModuleName): FoundModule | undefined {
  for (const root of store.searched) {
    const record = readRef(root.root, name)
    if (record !== undefined) return { name, record, store: root }
  }
  return undefined
}

async function isHidden(store: Store, record: CID): Promise<boolean> {
  // Here, so that whoever only lists names does not load what decodes manifests.
  const { readRecord } = await import('../manifests.ts')
  return (await readRecord(store, record)).hidden
}

/**
 * Versions of one name in all stores, highest first. Only the folders of that name are read.
 * @throws StrataError MANIFEST_INVALID, IO
 */
export function publishedVersions(
  store: Store,
  { category, name }: { category: string; name: string }
): PublishedVersion[] {
  const versions = new Set<string>()
  const defaults = new Set<string>()
  for (const { root } of store.searched) {
    for (const version of readVersions(join(root, MODULES, category, name))) versions.add(version)
    const marked = readDefault(root, { category, name })
    if (marked !== undefined) defaults.add(marked)
  }
  return [...versions]
    .sort((a, b) => compareVersions(b, a))
    .map(version => ({ version, isDefault: defaults.has(version) }))
}

/** What is no version is a fault that `fsck` reports; here it is nothing that could be asked for. */
function readVersions(folder: string): string[] {
  try {
    return readdirSync(folder, 'latin1').filter(name => versionFault(name) === undefined)
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code!)) return []
    throw unreadable(folder, cause)
  }
}

/** Lmod's words, and names that are near. */
export function unknownModule(store: Store, request: ModuleRequest): StrataError {
  const asked = formatModuleRequest(request)
  const others = publishedVersions(store, request).map(({ version }) =>
    formatModuleName({ ...request, version })
  )
  const close = others.length > 0 ? others.slice(0, SUGGESTIONS) : nearest(asked, allNames(store))
  return new StrataError('MODULE_UNKNOWN', {
    message: `The following module(s) are unknown: "${asked}"`,
    facts: close.length > 0 ? { 'did you mean': close } : { stores: store.searched.map(({ root }) => root) },
    hint: 'Please check the spelling or version number. Also try "compose avail"'
  })
}

/** `category/name` of everything: folders of versions are not read. */
function allNames(store: Store): string[] {
  const folders = (path: string) => {
    try {
      return readdirSync(path, 'latin1')
    } catch {
      return [] // a suggestion is not worth a second error
    }
  }
  return store.searched.flatMap(({ root }) =>
    folders(join(root, MODULES)).flatMap(category =>
      folders(join(root, MODULES, category)).map(name => `${category}/${name}`)
    )
  )
}

const SUGGESTIONS = 5

/** Names that contain the wanted one, or differ from it in a few letters; nearest first. */
function nearest(wanted: string, names: string[]): string[] {
  const limit = Math.max(2, Math.floor(wanted.length / 4))
  const stem = wanted.replace(/-[0-9][^/]*$/, '')
  return [...new Set(names)]
    .map(name => ({ name, distance: name.includes(stem) ? 0 : editDistance(stem, name) }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .slice(0, SUGGESTIONS)
    .map(({ name }) => name)
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)))
    row = next
  }
  return row[b.length]
}
