/** Opens chosen modules: reads records, compiles missing objects, and merges trees. */

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
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
import type { FileRange } from '../squashfs/index.ts'
import type { ChosenModule } from '../stack/index.ts'

export interface OpenedModule extends ChosenModule {
  /** The record and its exact bytes; undefined for bare and captured layers. */
  metadata?: { record: ModuleRecord; bytes: Buffer }
}

/** The open files of a composition; no object is read yet. */
export interface StackFiles {
  store: Repository
  /** Profile of all objects. */
  profile: Profile
  modules: OpenedModule[]
  /** Layers of all modules, bottom to top. */
  layers: LayerFiles[]
  close(): Promise<void>
}

export interface LayerFiles {
  files: ObjectFiles
  /** Ordinal of its module. */
  module: number
  role: 'module' | 'captured'
}

/** The objects of a composition; nothing is merged yet. */
export interface OpenedStack {
  /** Profile of all objects. */
  profile: Profile
  modules: OpenedModule[]
  /** Layers of all modules, bottom to top. */
  layers: StackLayer[]
  /** One for each layer. */
  objects: LayerObject[]
  close(): Promise<void>
}

export interface Composition extends OpenedStack {
  /** The tree of the modules, without generated files. */
  tree: MergedTree
}

/** @throws StrataError CONFLICT; as openStack */
export async function openComposition(
  store: Repository,
  chosen: ChosenModule[],
  profile: Profile,
  { verify, ...options }: MergeOptions & { verify?: boolean } = {}
): Promise<Composition> {
  return mergeOrClose(await openStack(store, chosen, profile, verify), options)
}

/** Merges an open stack, and closes it if that fails. @throws StrataError CONFLICT */
export async function mergeOrClose(stack: OpenedStack, options: MergeOptions): Promise<Composition> {
  try {
    return mergeStack(stack, options)
  } catch (error) {
    await stack.close()
    throw error
  }
}

export const mergeStack = (stack: OpenedStack, options: MergeOptions): Composition => ({
  ...stack,
  tree: mergeLayers(stack.layers, options)
})

/**
 * @param verify check all data that is linked
 * @throws StrataError BLOB_MISSING, BLOB_CORRUPT, OBJECT_CORRUPT; LOCK_INVALID if a list gives a module other layers
 * than its record
 */
export const openStack = async (
  store: Repository,
  chosen: ChosenModule[],
  profile: Profile,
  verify = false
): Promise<OpenedStack> => readStack(await openStackFiles(store, chosen, profile), verify)

/** The first half of `openStack`. The caller closes the files that are not read. @throws as openStack */
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

/** The second half. The files are closed with the stack, or when it fails. @throws as openStack */
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
  /** Files of each of its layers. */
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
 * Waits for files that are opened at the same time, and throws the first error in their order.
 * @param close closes the files that were opened before an error
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
      message: `the record ${formatCid(module.record)} is not the record of ${module.name} with these layers`,
      facts: { record: formatModuleName(record), layers: record.layers.map(formatCid) },
      hint: 'compose lock (writes a lock that agrees with the store)'
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

/** Sources of the blocks of each layer. */
export const dataOf = (objects: LayerObject[]): DataSource[] => objects.map(({ data }) => data.parts)

/** SHA-256 of the merged tree, 64 hexadecimal digits. */
export const treeDigestOf = ({ tree }: Composition): string => treeDigest(tree).toString('hex')

/** SHA-256 of a file, 64 hexadecimal digits. */
export async function fileDigest(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of chunks) hash.update(chunk)
  return hash.digest('hex')
}

/** SHA-256 of an image in an open file. */
export const rangeDigest = ({ fd, startInFile, lengthBytes }: FileRange): Promise<string> =>
  fileDigest(
    createReadStream('', {
      ...{ fd, autoClose: false, highWaterMark: 1 << 20 },
      ...{ start: startInFile, end: startInFile + lengthBytes - 1 }
    })
  )

/** Records of the modules, bottom to top, as far as they have any. */
export const recordsIn = ({ modules }: Pick<OpenedStack, 'modules'>): ModuleRecord[] =>
  modules.flatMap(({ metadata }) => (metadata === undefined ? [] : [metadata.record]))
