/**
 * `compose import`: sources into layers, bottom to top, then the record that names them, then the ref. Until the ref
 * is there nobody sees anything; layers of an import that failed later are leftovers that `compose gc` removes.
 */
import { isDeepStrictEqual } from 'node:util'
import type { CID } from 'multiformats/cid'
import { ImportAccess } from '../access/import-access.ts'
import { putBlob } from '../blob-store.ts'
import { formatCid, manifestCid } from '../digest.ts'
import { StrataError } from '../errors.ts'
import { keepReachable } from '../gc/keep.ts'
import type { IdNames } from '../id-names.ts'
import { rebuildIndex, updateIndex } from '../index/update-index.ts'
import type { Limits } from '../limits.ts'
import { readRecord } from '../manifests.ts'
import { present } from '../module/manifest-fields.ts'
import { type MergedSettings, mergeSpec } from '../module/merge-spec.ts'
import { formatModuleName, type ModuleName } from '../module/name.ts'
import { encodeRecord, type ModuleRecord, type Origin } from '../module/record.ts'
import { readRef, writeRef } from '../module/refs.ts'
import type { ImportSettings } from '../module/settings.ts'
import { assertWritable, type Store } from '../store.ts'
import { type ImportedLayer, importLayer } from './import-layer.ts'
import type { ModuleSource, SkippedPath } from './module-source.ts'

export interface ImportModuleOptions {
  name: ModuleName
  /** What `--spec` says. */
  spec?: Partial<ImportSettings>
  /** Win over the spec, as the spec wins over what the sources say of themselves. */
  flags: Partial<ImportSettings>
  /** Bottom to top. They are closed here, whatever happens. */
  sources: ModuleSource[]
  names: IdNames
  limits: Limits
  /** Listings beside the only layer. */
  aclFile?: string
  attributesFile?: string
  ignoreMissing: boolean
  replace: boolean
}

export interface ImportModuleReport {
  name: ModuleName
  record: CID
  /** `same`: this very content was published under the name before. */
  outcome: 'created' | 'same' | 'replaced'
  previous?: CID
  layers: ImportedLayer[]
  /** What the layers were made from, whatever record the name stood for before. */
  origin: Origin[]
  skipped: SkippedPath[]
  notes: string[]
}

/** @throws StrataError; the name stands for what it stood for before then */
export async function importModule(store: Store, options: ImportModuleOptions): Promise<ImportModuleReport> {
  const { name, sources } = options
  try {
    if (sources.length === 0)
      throw new StrataError('USAGE', {
        message: `no source for ${formatModuleName(name)}`,
        hint: `compose import ${formatModuleName(name)} LAYER.tar`
      })
    if (sources.length > 1) refuseListings(listingsOf(options))
    await assertWritable(store)
    const settings = settingsOf(options, sources)
    const access = new ImportAccess(store, { ...name, accessGroups: settings.accessGroups })
    const { layers, origin } = await importLayers(store, options, settings, access)
    const record: ModuleRecord = {
      ...recordSettings(settings),
      ...name,
      layers: layers.map(layer => layer.id),
      origin
    }
    const published = await publishRecord(store, name, record, options.replace)
    const settled = await access.settle()
    if (settled.hasNarrowedTrees) await rebuildIndex(store)
    else await updateIndex(store, published.record)
    const skipped = sources.flatMap(source => source.skipped ?? [])
    const notes = [...sources.flatMap(source => source.notes ?? []), ...settled.notes]
    return { name, layers, origin, skipped, notes, ...published }
  } finally {
    await closeSources(sources)
  }
}

export async function closeSources(sources: ModuleSource[]): Promise<void> {
  // They were only read: that one cannot be closed is no news, and would hide what went wrong before.
  await Promise.allSettled(sources.map(source => source.close?.()))
}

/** What these sources, the spec and the flags say together, the later one winning. */
function settingsOf({ name, spec, flags }: ImportModuleOptions, sources: ModuleSource[]): MergedSettings {
  let settings = mergeSpec(name, undefined, {})
  for (const said of [...sources.map(source => source.described), spec, flags])
    if (said !== undefined) settings = mergeSpec(name, settings, said)
  return settings
}

async function importLayers(
  store: Store,
  options: ImportModuleOptions,
  { kind, allowPrivileged }: MergedSettings,
  access: ImportAccess
): Promise<Pick<ImportModuleReport, 'layers' | 'origin'>> {
  const layers: ImportedLayer[] = []
  const origin: Origin[] = []
  const listings = listingsOf(options)
  for (const source of options.sources) {
    const { strip = 0, prefix = '', owner } = settingsOf(options, [source])
    const origins: Origin[] = []
    for await (const input of source.layers) {
      if (layers.length > 0) refuseListings(listings)
      const layer = await importLayer(
        store,
        { ...input, ...listings },
        {
          names: options.names,
          limits: options.limits,
          ignoreMissing: options.ignoreMissing,
          allowPrivileged: kind === 'base' || allowPrivileged,
          parent: layers.at(-1)?.id,
          placement: { strip, prefix, owner },
          accessFor: digests => access.plan(digests)
        }
      ).catch(async failure => {
        throw (await input.explain?.(failure)) ?? failure
      })
      layers.push(layer)
      const made = input.origin(layer)
      if (!isDeepStrictEqual(made, origins.at(-1))) origins.push(made)
    }
    origin.push(...origins)
  }
  return { layers, origin }
}

const listingsOf = ({ aclFile, attributesFile }: ImportModuleOptions) => present({ aclFile, attributesFile })

/** @throws StrataError USAGE */
function refuseListings(listings: object): void {
  if (Object.keys(listings).length === 0) return
  throw new StrataError('USAGE', {
    message: 'a listing of ACLs or attributes is about one layer, but there are several',
    hint: 'import the layers as modules of their own, or put the attributes into the tarballs'
  })
}

/** Settings of the layers and of this one import are not the module's. */
function recordSettings(
  settings: MergedSettings
): Omit<MergedSettings, 'sources' | 'prefix' | 'strip' | 'owner'> {
  const { sources: _sources, prefix: _prefix, strip: _strip, owner: _owner, ...kept } = settings
  return kept
}

async function publishRecord(
  store: Store,
  name: ModuleName,
  record: ModuleRecord,
  replace: boolean
): Promise<Pick<ImportModuleReport, 'record' | 'outcome' | 'previous'>> {
  const bytes = encodeRecord(record)
  const id = manifestCid(bytes)
  const before = readRef(store.root, name)
  // Another file of the same content (compressed otherwise, say) is no other module.
  if (before !== undefined && (await isSameButOrigin(store, before, record)))
    return { record: before, outcome: 'same' }
  if (before !== undefined && !replace)
    throw new StrataError('MODULE_EXISTS', {
      message: `${formatModuleName(name)} is published with other content`,
      facts: { published: formatCid(before), new: formatCid(id) },
      hint: 'give it a version of its own, or --replace (the old record stays reachable by its id)'
    })
  await putBlob(store, bytes)
  const { outcome, previous } = await writeRef(store.root, name, id, {
    replace,
    secure: () => keepReachable(store, { records: [id], layers: [] })
  })
  return { record: id, outcome, ...(previous && { previous }) }
}

async function isSameButOrigin(store: Store, before: CID, record: ModuleRecord): Promise<boolean> {
  const there = await readRecord(store, before).catch(error => {
    // A record that is lost or damaged can be replaced, and only that.
    if (error instanceof StrataError) return undefined
    throw error
  })
  if (there === undefined) return false
  return Buffer.compare(encodeRecord({ ...there, origin: [] }), encodeRecord({ ...record, origin: [] })) === 0
}
