/**
 * `compose import`: sources become layers, bottom to top; then comes the record that names them, then the ref. Without
 * the ref nobody sees anything. Layers of an import that failed later are leftovers, which `compose gc` removes.
 */
import { isDeepStrictEqual } from 'node:util'
import type { CID } from 'multiformats/cid'
import { type Consent, NO_CONSENT, refuseDroppedAcls } from '../access/index.ts'
import type { IdNames } from '../accounts/index.ts'
import { putBlob, readLayer } from '../contents/index.ts'
import { assertWritable, type Store } from '../files/index.ts'
import { keepReachable } from '../gc/index.ts'
import { rebuildIndex, updateIndex } from '../index/index.ts'
import {
  type ComparedSettings,
  compareSettings,
  encodeRecord,
  formatModuleName,
  type ImportSettings,
  type LayerManifest,
  type MergedSettings,
  type ModuleName,
  type ModuleRecord,
  type Origin,
  writeRef
} from '../module/index.ts'
import type { AddedSignature } from '../signatures/index.ts'
import {
  dropUndefined,
  formatCid,
  type Limits,
  manifestCid,
  type PathBytes,
  StrataError,
  sha256Of
} from '../values/index.ts'
import { formerAclPaths } from './former-acls.ts'
import { formerPlacementNotes } from './former-placement.ts'
import { ImportAccess } from './import-access.ts'
import { type ImportedLayer, type ImportOptions, importLayer, refusePrivilegedLayer } from './import-layer.ts'
import { inheritedRecord, moduleSettings } from './module-settings.ts'
import type { LayerInput, ModuleSource, SkippedPath } from './module-source.ts'
import { type Predecessor, readPredecessor } from './predecessor.ts'
import { refuseUnsigned, type SignRecord, signRecord } from './signed-record.ts'
import { refuseUnknownBefore, refuseWiderModule } from './wider-module.ts'

export interface ImportModuleOptions {
  name: ModuleName
  /** Settings of `--spec`. */
  spec?: Partial<ImportSettings>
  /** Flags go before the spec, which goes before the former record and the sources. */
  flags: Partial<ImportSettings>
  /** Bottom to top. They are closed here in any case. */
  sources: ModuleSource[]
  names: IdNames
  limits: Limits
  /** Listings beside the only layer. */
  aclFile?: string
  attributesFile?: string
  ignoreMissing: boolean
  /**
   * Write the record, but no ref: nobody finds the module by its name, and a lock that names the record finds it. Records
   * that the name stood for do not count then.
   */
  unlisted?: boolean
  /** Replace a record of the name. Its settings stay unless others are given. */
  replace: boolean
  /** Inherit no settings from the former record. It still must not be opened unasked. */
  startAnew?: boolean
  /** Widening that this import may do. By default nothing. */
  consent?: Consent
  /** Signs the record, whose bytes it is given, before the name stands for it. */
  sign?: SignRecord
  /**
   * Called with all layers, bottom to top, if hard links of some lead to files of lower ones.
   * @throws StrataError for a link that leads nowhere
   */
  checkLinks?: (layers: CID[]) => Promise<void>
}

export interface ImportModuleReport {
  name: ModuleName
  record: CID
  /** `same`: the name stood for the same content before. */
  outcome: 'created' | 'same' | 'replaced'
  previous?: CID
  /** The signature that was made, if one was asked for. */
  signature?: AddedSignature
  /** Differences from the settings of the replaced record, if it could be read. */
  settings?: ComparedSettings
  /** For a module that was made on top of others: those modules, and the paths of theirs that it replaces. */
  laidUpon?: Pick<ModuleRecord, 'requires' | 'replaces'>
  layers: ImportedLayer[]
  /** Layers of other modules, which lie below. */
  reused: ReusedLayer[]
  /** The sources of the layers, whatever record the name stood for before. */
  origin: Origin[]
  skipped: SkippedPath[]
  notes: string[]
}

export interface ReusedLayer {
  id: CID
  manifest: LayerManifest
}

/** @throws StrataError; the name then stands for its former record */
export async function importModule(store: Store, options: ImportModuleOptions): Promise<ImportModuleReport> {
  const { name, sources, replace, consent = NO_CONSENT, sign } = options
  try {
    refuseUnusable(options)
    await assertWritable(store)
    const before = options.unlisted ? undefined : await readPredecessor(store, name, replace)
    const settings = moduleSettings(options, sources, before)
    refuseWiderModule(name, settings, { before, sources, consent })
    const { accessGroups, redistributable } = settings
    const access = new ImportAccess(store, { ...name, accessGroups, redistributable }, consent)
    const imported = await importLayers(store, options, { settings, access, before })
    refuseDroppedAcls(formatModuleName(name), imported.droppedAcls, consent)
    if (imported.layers.some(({ hasLowerLinks }) => hasLowerLinks)) await options.checkLinks?.(imported.ids)
    const record = await completeRecord(options, imported, before)
    const published = options.unlisted
      ? await writeUnlisted(store, record)
      : await publishRecord(store, name, record, { replace, before, consent, sign })
    const settled = await access.settle()
    if (settled.hasNarrowedTrees) await rebuildIndex(store)
    else if (!options.unlisted) await updateIndex(store, published.record)
    const notes = [
      ...sources.flatMap(source => source.notes ?? []),
      ...(await formerPlacementNotes(store, inheritedRecord(options, before), [
        ...imported.reused,
        ...imported.layers
      ])),
      ...settled.notes
    ]
    return { ...reportLayers(options, imported, record), ...published, notes }
  } finally {
    await closeSources(sources)
  }
}

/** @throws StrataError USAGE for an import without sources, or for listings that could be about any of several */
function refuseUnusable(options: ImportModuleOptions): void {
  const { name, sources } = options
  if (sources.length === 0)
    throw new StrataError('USAGE', {
      message: `no source for ${formatModuleName(name)}`,
      hint: `compose import ${formatModuleName(name)} LAYER.tar`
    })
  if (sources.length > 1) refuseListings(listingsOf(options))
}

/** The record to publish. Some sources can describe the module only after their layers were imported. */
async function completeRecord(
  options: ImportModuleOptions,
  { ids, origin }: ImportedLayers,
  before: Predecessor | undefined
): Promise<ModuleRecord> {
  const completed = await completeSources(options.sources, ids)
  const settings = recordSettings(moduleSettings(options, completed, before))
  return { ...settings, ...options.name, layers: ids, origin }
}

function reportLayers(
  { name, sources }: ImportModuleOptions,
  { layers, reused, origin }: ImportedLayers,
  { requires, replaces }: ModuleRecord
): Pick<ImportModuleReport, 'name' | 'layers' | 'reused' | 'origin' | 'skipped' | 'laidUpon'> {
  const skipped = sources.flatMap(source => source.skipped ?? [])
  const isLaidUpon = sources.some(source => source.complete !== undefined)
  return { name, layers, reused, origin, skipped, ...(isLaidUpon && { laidUpon: { requires, replaces } }) }
}

export async function closeSources(sources: ModuleSource[]): Promise<void> {
  // The sources were only read. A failure to close one is ignored, because it would hide an earlier error.
  await Promise.allSettled(sources.map(source => source.close?.()))
}

interface ImportingLayers {
  settings: MergedSettings
  access: ImportAccess
  before: Predecessor | undefined
}

interface ImportedLayers extends Pick<ImportModuleReport, 'layers' | 'reused' | 'origin'> {
  /** Ids of all layers, bottom to top. */
  ids: CID[]
  /** Paths that had an ACL in the former record and have none any more. */
  droppedAcls: PathBytes[]
}

async function importLayers(
  store: Store,
  options: ImportModuleOptions,
  importing: ImportingLayers
): Promise<ImportedLayers> {
  const imported: ImportedLayers = { ids: [], layers: [], reused: [], origin: [], droppedAcls: [] }
  const { names, sources } = options
  names.deferUnknown()
  const formerAcls = await formerAclPaths(store, importing.before?.record)
  for (const source of sources) {
    const origins: Origin[] = []
    const layerOptions = optionsOfLayers(options, source, importing)
    for (const { stored, origin } of source.below ?? []) {
      if (!layerOptions.allowPrivileged)
        await refusePrivilegedLayer(store, stored, `${formatModuleName(options.name)}, in a layer below,`)
      imported.reused.push(await planReused(store, stored, importing.access))
      imported.ids.push(stored)
      origins.push(...origin)
    }
    for await (const input of source.layers) {
      const layer = await importInput(store, options, input, {
        ...layerOptions,
        parent: imported.ids.at(-1),
        onTree: (tree, marks) => imported.droppedAcls.push(...formerAcls.droppedBy(tree, marks))
      })
      if (layer === undefined) continue // the others are read as well, so that one error lists all names
      imported.layers.push(layer)
      imported.ids.push(layer.id)
      const origin = input.origin(layer)
      if (!isDeepStrictEqual(origin, origins.at(-1))) origins.push(origin)
    }
    imported.origin.push(...origins)
  }
  names.refuseUnknown()
  return imported
}

/** Options that hold for all layers of a source. */
function optionsOfLayers(
  options: ImportModuleOptions,
  source: ModuleSource,
  { settings: { kind, allowPrivileged }, access }: ImportingLayers
): Omit<ImportOptions, 'parent' | 'onTree'> {
  const { strip = 0, prefix = '', owner } = moduleSettings(options, [source], undefined)
  const { names, limits, ignoreMissing } = options
  return {
    names,
    limits,
    ignoreMissing,
    allowPrivileged: kind === 'base' || allowPrivileged,
    placement: { strip, prefix, owner },
    accessFor: digests => access.plan(digests)
  }
}

/** @returns nothing if the layer has names without an id, which `names` refuses at the end */
async function importInput(
  store: Store,
  options: ImportModuleOptions,
  input: LayerInput,
  layerOptions: ImportOptions
): Promise<ImportedLayer | undefined> {
  const listings = listingsOf(options)
  if (layerOptions.parent !== undefined) refuseListings(listings)
  try {
    return await importLayer(store, { ...input, ...listings }, { ...layerOptions, captured: input.captured })
  } catch (failure) {
    const isNameUnknown = failure instanceof StrataError && failure.code === 'NAME_UNKNOWN'
    if (options.names.hasUnknown && isNameUnknown) return undefined
    throw (await input.explain?.(failure)) ?? failure
  }
}

/** Plans the access of a reused layer like that of a new one, since its files may have to be opened. */
async function planReused(store: Store, id: CID, access: ImportAccess): Promise<ReusedLayer> {
  const manifest = await readLayer(store, id)
  const { tar, sidecar } = manifest
  const digests = { layer: sha256Of(id), tar: sha256Of(tar), ...(sidecar && { sidecar: sha256Of(sidecar) }) }
  await access.plan(digests)
  return { id, manifest }
}

/** The sources with settings that are known only after their layers were imported. */
async function completeSources(sources: readonly ModuleSource[], layers: CID[]): Promise<ModuleSource[]> {
  const completed: ModuleSource[] = []
  for (const source of sources) {
    const found = await source.complete?.(layers)
    completed.push(found === undefined ? source : { ...source, described: { ...source.described, ...found } })
  }
  return completed
}

const listingsOf = ({ aclFile, attributesFile }: ImportModuleOptions) =>
  dropUndefined({ aclFile, attributesFile })

/** @throws StrataError USAGE */
function refuseListings(listings: object): void {
  if (Object.keys(listings).length === 0) return
  throw new StrataError('USAGE', {
    message: 'a listing of ACLs or attributes is about one layer, but there are several',
    hint: 'import the layers as modules of their own, or put the attributes into the tarballs'
  })
}

/** Settings of the layers, and of this one import, are not settings of the module. */
function recordSettings(
  settings: MergedSettings
): Omit<MergedSettings, 'sources' | 'prefix' | 'strip' | 'owner'> {
  const { sources: _sources, prefix: _prefix, strip: _strip, owner: _owner, ...kept } = settings
  return kept
}

interface Publishing {
  replace: boolean
  before: Predecessor | undefined
  consent: Consent
  sign: SignRecord | undefined
  /** This very record is wanted, even if the name stands for the same content from another source. */
  isExact?: boolean
}

export async function publishRecord(
  store: Store,
  name: ModuleName,
  record: ModuleRecord,
  { replace, before, consent, sign, isExact = false }: Publishing
): Promise<Pick<ImportModuleReport, 'record' | 'outcome' | 'previous' | 'settings' | 'signature'>> {
  const bytes = encodeRecord(record)
  const id = manifestCid(bytes)
  const current = before?.isCurrent ? before : undefined
  // Another file with the same content, compressed differently for instance, does not make another record.
  if (!isExact && current?.record !== undefined && isSameButOrigin(current.record, record))
    return { record: current.id, outcome: 'same', ...(await signRecord(store, current.id, sign)) }
  if (current !== undefined && !replace && !current.id.equals(id))
    throw new StrataError('MODULE_EXISTS', {
      message: `${formatModuleName(name)} is published with other content`,
      facts: { published: formatCid(current.id), new: formatCid(id) },
      hint: 'give it a version of its own, or --replace (the old record stays reachable by its id)'
    })
  refuseUnknownBefore(name, record, { id, before, consent })
  await putBlob(store, bytes)
  const signed = await signRecord(store, id, sign)
  await refuseUnsigned(store, name, { id, layers: record.layers })
  const { outcome, previous } = await writeRef(store.root, name, id, {
    replace,
    lookedAt: current?.id,
    secure: () => keepReachable(store, { records: [id], layers: [] })
  })
  const settings = current?.record && compareSettings(current.record, record)
  return { record: id, outcome, ...(previous && { previous }), ...(settings && { settings }), ...signed }
}

/** Writes a record for which no name is to stand. */
export async function writeUnlisted(
  store: Store,
  record: ModuleRecord
): Promise<Pick<ImportModuleReport, 'record' | 'outcome'>> {
  const bytes = encodeRecord(record)
  await putBlob(store, bytes)
  const id = manifestCid(bytes)
  await keepReachable(store, { records: [id], layers: [] })
  return { record: id, outcome: 'created' }
}

const isSameButOrigin = (before: ModuleRecord, record: ModuleRecord): boolean =>
  Buffer.compare(encodeRecord({ ...before, origin: [] }), encodeRecord({ ...record, origin: [] })) === 0
