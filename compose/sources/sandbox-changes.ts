/**
 * Publishes the changes in a sandbox as a module of one layer that requires the modules of the sandbox. A new version
 * of one of these modules also gets the layers and settings of the old version.
 */

import type { CID } from 'multiformats/cid'
import type { LayerInput, ModuleSource, StoredLayer } from '../../store/import/index.ts'
import {
  type ImportSettings,
  type ModuleName,
  type ModuleRecord,
  parseModuleName
} from '../../store/module/index.ts'
import { Kind } from '../../store/object/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { type PathBytes, StrataError, showPath } from '../../store/values/index.ts'
import {
  ConflictError,
  findPath,
  type Located,
  type MergedTree,
  type MergeOptions,
  metadataDifferences,
  treeDigest,
  walk
} from '../merge/index.ts'
import { compareSandboxTree, openComposition } from '../outputs/index.ts'
import type { DirectoriesBeside } from '../sandbox/index.ts'
import { type ChosenModule, mergeParameters } from '../stack/index.ts'
import { composedBounds } from './composed-bounds.ts'
import { composedSettings } from './composed-settings.ts'
import { exactly, layUpon } from './lay-upon.ts'
import { capturedOrigin, layerOf, type OpenedSandbox, type SandboxOptions } from './opened-sandbox.ts'
import { recordsOfSandbox } from './sandbox-records.ts'
import type { CapturedBy } from './source-kind.ts'
import type { StoredChanges } from './stored-changes.ts'

/** The place of the new module among the parts of the sandbox. */
interface Place {
  /** The old version, which gives its layers and its place. */
  before?: ChosenModule
  /** All other parts that a module can require, bottom to top. */
  others: ChosenModule[]
  /** The old version, and parts that nothing could require: their layers lie below the changes. */
  own: ChosenModule[]
}

/** @throws StrataError USAGE, SANDBOX_INVALID, BLOB_MISSING, ACCESS_DENIED; from the layers SOURCE_CHANGED, IO */
export async function changesSource(
  store: Repository,
  sandbox: OpenedSandbox,
  options: SandboxOptions
): Promise<ModuleSource> {
  const { directory, edits, lock } = sandbox
  const place = placeOf(store, lock.modules, options.name)
  const beside = edits.capturedBeside!(await directoriesBeside(store, sandbox, place))
  const { unchangeable } = beside
  const captured = beside.captured ?? (options.capture?.mayBeEmpty ? edits.nothing : undefined)
  if (captured === undefined)
    throw new StrataError('USAGE', {
      message: `${directory} has no changes that a module could hold`,
      hint: `compose import --flatten (publishes the whole tree)`
    })
  const changes: LayerInput = { ...layerOf(sandbox, captured, options), captured: true }
  return {
    ...sourceBeside(store, sandbox, place, [], options.capture),
    layers: [changes],
    notes: unchangeable.map(
      path =>
        `/${showPath(path)} keeps the owner, mode and ACL of other modules; --flatten would publish yours`
    )
  }
}

/** True for what a definition or an image of a registry became: it has a record, but no name by which a store finds it. */
export function isUnlisted(store: Repository, { name: text }: ChosenModule): boolean {
  const name = text === undefined ? undefined : parseModuleName(text)
  return name?.category === 'image' && store.findExact(name) === undefined
}

/** As `changesSource`, but nothing is read again. */
export async function storedChangesSource(
  store: Repository,
  { lock, layer, skipped, name: source }: StoredChanges,
  { name, capture }: SandboxOptions
): Promise<ModuleSource> {
  const records = await recordsOfSandbox(store, source, lock.modules)
  const place = placeOf(store, lock.modules, name)
  const made: StoredLayer = { stored: layer, origin: [capturedOrigin(capture!)] }
  const bounds = await composedBounds(store, lock, records.of, source)
  return {
    ...sourceBeside(store, { directory: source, lock, records }, place, [made], capture),
    layers: [],
    skipped,
    bounds: [...bounds, ...(capture?.bounds ?? [])],
    notes: records.notes
  }
}

function sourceBeside(
  store: Repository,
  sandbox: Pick<OpenedSandbox, 'directory' | 'lock' | 'records'>,
  place: Place,
  above: StoredLayer[],
  capture?: CapturedBy
): Pick<ModuleSource, 'described' | 'below' | 'complete'> {
  const { records, directory } = sandbox
  const before = place.before && records.of(place.before)
  const unlisted = place.own.filter(part => part !== place.before).flatMap(part => records.of(part) ?? [])
  const firstUnnamed = place.own.find(({ name }) => name === undefined)
  const originOf = (part: ChosenModule) =>
    records.of(part)?.origin ?? (part === firstUnnamed ? capture?.baseOrigins : undefined) ?? []
  const below = place.own.flatMap((part): StoredLayer[] =>
    part.layers.map((layer, i) => ({ stored: layer, origin: i === 0 ? originOf(part) : [] }))
  )
  return {
    described:
      before === undefined
        ? settingsBeside(sandbox, place, unlisted)
        : settingsAfter(before, unlisted, directory),
    below: [...below, ...above],
    complete: layers => addReplaces(store, sandbox, place, { layers, before, unlisted })
  }
}

/** True if the module would be a new version of one of these. */
export const isVersionOf = (store: Repository, modules: ChosenModule[], name: ModuleName): boolean =>
  placeOf(store, modules, name).before !== undefined

function placeOf(store: Repository, modules: ChosenModule[], { category, name }: ModuleName): Place {
  const isBefore = (module: ChosenModule) => {
    const found = module.name === undefined ? undefined : parseModuleName(module.name)
    return found?.category === category && found.name === name
  }
  const before = modules.find(isBefore)
  const isOwn = (module: ChosenModule) =>
    module === before || module.name === undefined || isUnlisted(store, module)
  return {
    ...(before && { before }),
    others: modules.filter(module => !isOwn(module)),
    own: modules.filter(isOwn)
  }
}

/** Directories whose owner, mode and ACL come from another module, because a merge takes those of the lower one. */
async function directoriesBeside(
  store: Repository,
  { directory, edits, lock: { modules, parameters } }: OpenedSandbox,
  place: Place
): Promise<DirectoriesBeside> {
  const merge = mergeParameters(parameters)
  const { tree, close } = await openComposition(store, modules, store.profile, merge)
  await close()
  compareSandboxTree(directory, edits, treeDigest(tree).toString('hex'))
  const isOthers = (path: PathBytes) => {
    const found = findPath(tree, path)
    return (
      found !== undefined && !place.own.includes(modules[tree.layers[tree.inodeLayer[found.inode]].module])
    )
  }
  const restated = await directoriesThatChange(store, modules, place, { tree, merge })
  return { isOthers, restated: restated.filter(path => !isOthers(path)) }
}

/**
 * Parts that nothing can require were modules each, of which the lowest says how a directory is. As layers of one module, the
 * topmost says it.
 */
async function directoriesThatChange(
  store: Repository,
  modules: ChosenModule[],
  { before, others, own }: Place,
  { tree, merge }: { tree: MergedTree; merge: MergeOptions }
): Promise<PathBytes[]> {
  if (own.every(part => part === before)) return []
  const module: ChosenModule = { layers: own.flatMap(({ layers }) => layers) }
  const stack = stackWith(modules, { before, others }, module)
  const laid = await layUpon(store, stack, stack.indexOf(module), { merge }).catch(error => {
    if (error instanceof ConflictError) return undefined // `completed` tells it, with what was changed
    throw error
  })
  if (laid === undefined) return []
  return [...walk(tree)]
    .filter(({ inode }) => tree.inodeKind[inode] === Kind.directory)
    .filter(({ path, inode }) => {
      const found = findPath(laid.tree, path)
      return found !== undefined && !isSameDirectory(located(tree, inode), located(laid.tree, found.inode))
    })
    .map(({ path }) => path)
}

const located = ({ layers, inodeLayer, inodeSource }: MergedTree, inode: number): Located => ({
  index: layers[inodeLayer[inode]].index,
  inode: inodeSource[inode]
})

const isSameDirectory = (a: Located, b: Located): boolean =>
  metadataDifferences(a, b).length === 0 &&
  a.index.mtimeSeconds[a.inode] === b.index.mtimeSeconds[b.inode] &&
  a.index.mtimeNanoseconds[a.inode] === b.index.mtimeNanoseconds[b.inode]

/**
 * Files may be copies of files of any module, so the new module is only for users whom all modules admit.
 * @param unlisted records of its own parts
 */
function settingsBeside(
  { directory, records }: Pick<OpenedSandbox, 'directory' | 'records'>,
  { others }: Place,
  unlisted: ModuleRecord[]
): Partial<ImportSettings> {
  const { accessGroups, redistributable } = composedSettings(records.records, directory)
  return {
    ...composedSettings(unlisted, directory),
    accessGroups,
    ...(redistributable === false && { redistributable }),
    ...(others.length === 0 && unlisted.length > 0 && { kind: 'base' as const }),
    requires: others.map(({ name }) => exactly(name!))
  }
}

/** @param unlisted records of parts that lie above the former version */
function settingsAfter(
  before: ModuleRecord,
  unlisted: ModuleRecord[],
  directory: string
): Partial<ImportSettings> {
  const {
    category: _c,
    name: _n,
    version: _v,
    layers: _l,
    origin: _o,
    hidden: _h,
    deprecated: _d,
    ...settings
  } = before
  if (unlisted.length === 0) return settings
  const {
    accessGroups: _a,
    redistributable: _r,
    ...added
  } = composedSettings([before, ...unlisted], directory)
  return { ...settings, ...added }
}

/**
 * Adds the paths that the module replaces, and checks that all modules together give the tree of the sandbox.
 * @throws StrataError SANDBOX_INVALID if no module of this name can
 */
async function addReplaces(
  store: Repository,
  { directory, lock: { modules, parameters } }: Pick<OpenedSandbox, 'directory' | 'lock'>,
  { before: former, others }: Place,
  { layers, before, unlisted }: { layers: CID[]; before?: ModuleRecord; unlisted: ModuleRecord[] }
): Promise<Partial<ImportSettings>> {
  const module: ChosenModule = { layers }
  const stack = stackWith(modules, { before: former, others }, module)
  const { replaces, replaced, tree } = await layUpon(store, stack, stack.indexOf(module), {
    replaces: [...(before?.replaces ?? []), ...unlisted.flatMap(({ replaces }) => replaces)],
    merge: mergeParameters(parameters)
  }).catch(error => {
    throw error instanceof ConflictError ? notInItsPlace(directory, former, error) : error
  })
  const changes: ChosenModule = { layers: layers.slice(-1), captured: true }
  const whole = await openComposition(
    store,
    [...modules, changes],
    store.profile,
    mergeParameters(parameters)
  )
  await whole.close()
  if (!treeDigest(tree).equals(treeDigest(whole.tree))) throw notInItsPlace(directory, former)
  const names = [...replaced].map(ordinal => stack[ordinal].name).filter(name => name !== undefined)
  return {
    replaces,
    ...(before && { requires: [...before.requires, ...names.map(exactly)] })
  }
}

/** The modules that it can require, and the new one: in the place of the version before, else on top. */
const stackWith = (
  modules: ChosenModule[],
  { before, others }: Pick<Place, 'before' | 'others'>,
  module: ChosenModule
): ChosenModule[] =>
  before === undefined
    ? [...others, module]
    : modules.flatMap(each => (each === before ? [module] : others.includes(each) ? [each] : []))

const notInItsPlace = (directory: string, former: ChosenModule | undefined, cause?: unknown): StrataError =>
  new StrataError('SANDBOX_INVALID', {
    message:
      former?.name === undefined
        ? `the changes in ${directory} and the modules below do not give its tree again`
        : `a new version of ${former.name} would lie below modules that were changed in ${directory}`,
    facts: { sandbox: directory },
    hint: 'use a name that no module in the sandbox has, or --flatten',
    cause
  })
