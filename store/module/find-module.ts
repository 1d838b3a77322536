/** From what a user typed to a published module: the first store that has one, in it the highest version that fits. */
import type { CID } from 'multiformats/cid'
import { StrataError } from '../errors.ts'
import type { Store, StoreRoot } from '../store.ts'
import {
  formatModuleName,
  formatModuleRequest,
  type ModuleName,
  type ModuleRequest,
  matchesVersion
} from './name.ts'
import { listModules } from './ref-list.ts'
import { readRef } from './refs.ts'
import { compareVersions } from './version-order.ts'

export interface FoundModule {
  name: ModuleName
  record: CID
  store: StoreRoot
}

/** @throws StrataError MODULE_UNKNOWN, with modules of like names */
export function findModule(store: Store, request: ModuleRequest): FoundModule {
  for (const root of store.searched) {
    const { category, name } = request
    const exact = request.version === undefined ? undefined : { category, name, version: request.version }
    const record = exact && readRef(root.root, exact)
    if (exact && record) return { name: exact, record, store: root }
    const fitting = listModules(root.root)
      .modules.filter(
        module =>
          module.category === category &&
          module.name === name &&
          matchesVersion(request.version, module.version)
      )
      .sort((a, b) => compareVersions(b.version, a.version))
    for (const highest of fitting) {
      const found = readRef(root.root, highest)
      if (found !== undefined) return { name: highest, record: found, store: root }
    }
  }
  throw unknownModule(store, request)
}

function unknownModule(store: Store, request: ModuleRequest): StrataError {
  const asked = formatModuleRequest(request)
  const names = store.searched.flatMap(({ root }) => listModules(root).modules.map(formatModuleName))
  const close = nearest(asked, names)
  return new StrataError('MODULE_UNKNOWN', {
    message: `The following module(s) are unknown: "${asked}"`,
    facts: close.length > 0 ? { 'did you mean': close } : { stores: store.searched.map(({ root }) => root) },
    hint: 'Please check the spelling or version number. Also try "compose avail"'
  })
}

const SUGGESTIONS = 5

/** Names that contain the wanted one, or differ from it in a few letters; nearest first. */
function nearest(wanted: string, names: string[]): string[] {
  const limit = Math.max(2, Math.floor(wanted.length / 4))
  return [...new Set(names)]
    .map(name => ({
      name,
      distance: name.includes(wanted) ? 0 : editDistance(wanted, name.slice(0, wanted.length + limit))
    }))
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
