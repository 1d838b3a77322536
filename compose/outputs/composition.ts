/** Chosen modules, opened: records read, objects compiled where they are missing, trees merged. */

import { createHash } from 'node:crypto'
import {
  closeObjectFiles,
  type LayerObject,
  type ObjectFiles,
  readObject
} from '../../store/contents/index.ts'
import { decodeRecord, formatModuleName, type ModuleRecord } from '../../store/module/index.ts'
import type { DataSource } from '../../store/object/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { formatCid, type Profile, StrataError, sha256Of } from '../../store/values/index.ts'
import {
  type MergedTree,
  type MergeOptions,
  mergeLayers,
  type StackLayer,
  treeDigest
} from '../merge/index.ts'
import { replacesMatcher } from '../resolve/index.ts'
import type { ChosenModule } from '../stack/index.ts'

export interface OpenedModule extends ChosenModule {
  /** The record and its exact bytes; undefined for bare and captured layers. */
  metadata?: { record: ModuleRecord; bytes: Buffer }
}

/** What a composition is made of, open: no object is read yet. */
export interface StackFiles {
  store: Repository
  /** All objects are of it. */
  profile: Profile
  modules: OpenedModule[]
  /** Of all modules' layers, bottom to top. */
  layers: LayerFiles[]
  close(): Promise<void>
}

export interface LayerFiles {
  files: ObjectFiles
  /** Ordinal of its module. */
  module: number
  role: 'module' | 'captured'
}

/** What a composition is made of: nothing is merged yet. */
export interface OpenedStack {
  /** All objects are of it. */
  profile: Profile
  modules: OpenedModule[]
  /** All modules' layers, bottom to top. */
  layers: StackLayer[]
  /** One for each layer. */
  objects: LayerObject[]
  close(): Promise<void>
}

export interface Composition extends OpenedStack {
  /** The modules' tree, nothing generated in it. */
  tree: MergedTree
}

/** @throws StrataError CONFLICT; as openStack */
export async function openComposition(
  store: Repository,
  chosen: ChosenModule[],
  profile: Profile,
  { verify, ...options }: MergeOptions & { verify?: boolean } = {}
): Promise<Composition> {
  return mergedOrClosed(await openStack(store, chosen, profile, verify), options)
}

/** @throws StrataError CONFLICT; the stack is closed then */
export async function mergedOrClosed(stack: OpenedStack, options: MergeOptions): Promise<Composition> {
  try {
    return merged(stack, options)
  } catch (error) {
    await stack.close()
    throw error
  }
}

/** @throws StrataError CONFLICT */
export const merged = (stack: OpenedStack, options: MergeOptions): Composition => ({
  ...stack,
  tree: mergeLayers(stack.layers, options)
})

/**
 * @param verify read all that is linked, and check it
 * @throws StrataError BLOB_MISSING, BLOB_CORRUPT, OBJECT_CORRUPT; LOCK_INVALID when a list gives a module other
 *   layers than its record
 */
export const openStack = async (
  store: Repository,
  chosen: ChosenModule[],
  profile: Profile,
  verify = false
): Promise<OpenedStack> => readStack(await openStackFiles(store, chosen, profile), verify)

/** The first half of `openStack`: what is not read is closed by whoever asked for it. @throws as openStack */
export async function openStackFiles(
  store: Repository,
  chosen: ChosenModule[],
  profile: Profile
): Promise<StackFiles> {
  const closeAll = async (modules: ModuleFiles[]) => {
    for (const file of modules.flatMap(({ files }) => files)) await closeObjectFiles(file)
  }
  const opened = await allOrNone(
    chosen.map(module => openChosen(store, module, profile)),
    closeAll
  )
  return {
    store,
    profile,
    modules: opened.map(({ module }) => module),
    layers: opened.flatMap(({ module: { captured }, files }, ordinal) =>
      files.map(file => ({
        files: file,
        module: ordinal,
        role: captured ? ('captured' as const) : ('module' as const)
      }))
    ),
    close: () => closeAll(opened)
  }
}

/** The second half: the files of the first are closed with the stack, or when it fails. @throws as openStack */
export async function readStack(
  { store, profile, modules, layers }: StackFiles,
  verify = false
): Promise<OpenedStack> {
  const objects = await allOrNone(
    layers.map(({ files }) => readObject(files)),
    closeData
  )
  try {
    if (verify) for (const object of objects) await store.verifyObject(object)
  } catch (error) {
    await closeData(objects)
    throw error
  }
  return {
    profile,
    modules,
    layers: layers.map((layer, i) => stackLayer(modules[layer.module], layer, objects[i])),
    objects,
    close: () => closeData(objects)
  }
}

interface ModuleFiles {
  module: OpenedModule
  /** Of each of its layers. */
  files: ObjectFiles[]
}

async function openChosen(store: Repository, chosen: ChosenModule, profile: Profile): Promise<ModuleFiles> {
  const module = await openModule(store, chosen)
  const files: ObjectFiles[] = []
  try {
    for (const id of module.layers) files.push(await store.openObjectFiles(id, profile))
    return { module, files }
  } catch (error) {
    for (const file of files) await closeObjectFiles(file)
    throw error
  }
}

/**
 * Files of several modules and layers are opened at once. The first failure, in their order, is the one that counts.
 * @param close what was opened all the same
 */
async function allOrNone<T>(opening: Promise<T>[], close: (opened: T[]) => Promise<void>): Promise<T[]> {
  const results = await Promise.allSettled(opening)
  const failed = results.find(({ status }) => status === 'rejected')
  if (failed === undefined) return Promise.all(opening)
  await close(results.flatMap(result => (result.status === 'fulfilled' ? [result.value] : [])))
  throw (failed as PromiseRejectedResult).reason
}

async function closeData(objects: LayerObject[]): Promise<void> {
  for (const { data } of objects) await data.close()
}

async function openModule(store: Repository, module: ChosenModule): Promise<OpenedModule> {
  if (module.record === undefined) return module
  const bytes = await store.readWholeBlob(sha256Of(module.record))
  const record = decodeRecord(bytes, `module record ${formatCid(module.record)}`)
  const agrees =
    formatModuleName(record) === module.name &&
    record.layers.length === module.layers.length &&
    record.layers.every((layer, i) => layer.equals(module.layers[i]))
  if (!agrees)
    throw new StrataError('LOCK_INVALID', {
      message: `the record ${formatCid(module.record)} is not that of ${module.name} with these layers`,
      facts: { record: formatModuleName(record), layers: record.layers.map(formatCid) },
      hint: 'compose lock writes a lock that agrees with the store'
    })
  return { ...module, metadata: { record, bytes } }
}

const stackLayer = (
  { metadata, name, captured }: OpenedModule,
  { module, role }: LayerFiles,
  { index, layer }: LayerObject
): StackLayer => ({
  index,
  module,
  name: captured ? 'the sandbox' : (name ?? `layer ${formatCid(layer)}`),
  role,
  replaces: replacesMatcher(metadata?.record.replaces ?? [])
})

/** What the blocks of each layer are read from. */
export const dataOf = (objects: LayerObject[]): DataSource[] => objects.map(({ data }) => data.fd)

/** SHA-256 of the merged tree, 64 hexadecimal digits. */
export const treeDigestOf = ({ tree }: Composition): string => treeDigest(tree).toString('hex')

/** SHA-256 of a file, 64 hexadecimal digits. */
export async function fileDigest(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of chunks) hash.update(chunk)
  return hash.digest('hex')
}

/** Records of what is composed, bottom to top, where there are any. */
export const recordsIn = ({ modules }: Pick<OpenedStack, 'modules'>): ModuleRecord[] =>
  modules.flatMap(({ metadata }) => (metadata === undefined ? [] : [metadata.record]))
