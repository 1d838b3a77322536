/**
 * Finds the published module for a request, as Lmod does: an exact version in any store; else, of all fitting versions
 * in all stores together, the default or the highest (spec/resolve.md#names).
 */
import type { CID } from 'multiformats/cid'
import { type Store, type StorePath, type StoreRoot, storeFolder } from '../files/index.ts'
import {
  compareVersions,
  formatModuleName,
  formatRequirement,
  MODULES,
  type ModuleName,
  type ModuleRequest,
  nameReadFaults,
  type PublishedVersion,
  type RangedRequest,
  rankVersions,
  readDefault,
  readRef,
  replaceAlias,
  versionFault
} from '../module/index.ts'
import type { StrataError } from '../values/index.ts'

export interface FoundModule {
  name: ModuleName
  record: CID
  store: StoreRoot
}

export interface FindOptions {
  /** Accept hidden modules like others. Without it, only an exact name or a default leads to one. */
  hidden?: boolean
  /** Modules of remotes, which count for a short name that no store has. */
  offered?: () => Promise<readonly { name: ModuleName; hidden: boolean }[]>
}

/**
 * @throws StrataError MODULE_UNKNOWN, with modules of similar names; BLOB_MISSING, BLOB_CORRUPT, MANIFEST_INVALID if a
 * record that must be read cannot be
 */
export async function findModule(
  store: Store,
  asked: ModuleRequest,
  { hidden = false }: FindOptions = {}
): Promise<FoundModule> {
  const request = resolveAlias(store, asked)
  for (const { version, isDefault } of rankVersions(publishedVersions(store, request), request.version)) {
    const found = findExact(store, { ...request, version })
    if (found === undefined) continue // removed since its folder was read
    // A hidden default is accepted, as in Lmod, because somebody marked it.
    if (hidden || isDefault || version === request.version || !(await isHidden(store, found.record)))
      return found
  }
  throw await unknownModule(store, request)
}

/** Replaces an alias by its module; other requests are returned unchanged. @throws StrataError MANIFEST_INVALID, IO */
export const resolveAlias = (store: Store, request: RangedRequest): RangedRequest =>
  replaceAlias(store, request, named => publishedVersions(store, named).length > 0)

/** The module of a full name in the first store that has it. @throws StrataError MANIFEST_INVALID, IO */
export function findExact(store: Store, name: ModuleName): FoundModule | undefined {
  for (const root of store.searched) {
    const record = readRef(root.root, name)
    if (record !== undefined) return { name, record, store: root }
  }
  return undefined
}

async function isHidden(store: Store, record: CID): Promise<boolean> {
  // Imported here, so that commands that only list names do not load the decoder of manifests.
  const { readRecord } = await import('../contents/read-record.ts')
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
    for (const version of readVersions(root, `${MODULES}/${category}/${name}`)) versions.add(version)
    const marked = readDefault(root, { category, name })
    if (marked !== undefined) defaults.add(marked)
  }
  return [...versions]
    .sort((a, b) => compareVersions(b, a))
    .map(version => ({ version, isDefault: defaults.has(version) }))
}

/** Entries that are not versions are skipped here; `fsck` reports them. */
function readVersions(root: string, folder: StorePath): string[] {
  const entries = nameReadFaults(root, folder, () => storeFolder(root).list(folder)) ?? []
  return entries.map(({ name }) => name).filter(name => versionFault(name) === undefined)
}

/** The error for an unknown module, with other versions of its name or else with similar names. */
export async function unknownModule(store: Store, request: ModuleRequest): Promise<StrataError> {
  const { unknownError } = await import('./suggestions.ts')
  const versions = publishedVersions(store, request)
  return unknownError(
    store,
    formatRequirement(request),
    versions.map(({ version }) => formatModuleName({ ...request, version }))
  )
}
