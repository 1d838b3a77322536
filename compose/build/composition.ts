/** Chosen modules, opened: records read, objects compiled where they are missing, trees merged. */
import { createHash } from 'node:crypto'
import type { CID } from 'multiformats/cid'
import { readWholeBlob } from '../../store/blob-store.ts'
import { formatCid, sha256Of } from '../../store/digest.ts'
import { StrataError } from '../../store/errors.ts'
import { formatModuleName } from '../../store/module/name.ts'
import { decodeRecord, type ModuleRecord } from '../../store/module/record.ts'
import type { DataSource } from '../../store/object/content-reader.ts'
import { type LayerObject, openObject, verifyObject } from '../../store/object/object-store.ts'
import type { Profile } from '../../store/object/profile.ts'
import type { Store } from '../../store/store.ts'
import {
  type MergedTree,
  type MergeOptions,
  mergeLayers,
  type StackLayer,
  treeDigest
} from '../merge/index.ts'
import { replacesMatcher } from '../resolve/replaces.ts'
import type { ChosenModule } from '../stack/chosen-module.ts'

export interface OpenedModule extends ChosenModule {
  /** The record and its exact bytes; undefined for bare and captured layers. */
  metadata?: { record: ModuleRecord; bytes: Buffer }
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
  store: Store,
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
export async function openStack(
  store: Store,
  chosen: ChosenModule[],
  profile: Profile,
  verify = false
): Promise<OpenedStack> {
  const opened = await allOrNone(chosen.map(module => openChosen(store, module, profile, verify)))
  const objects = opened.flatMap(module => module.objects)
  return {
    profile,
    modules: opened.map(({ module }) => module),
    layers: opened.flatMap(({ module, objects }, ordinal) =>
      objects.map((object, i) => stackLayer(module, module.layers[i], object, ordinal))
    ),
    objects,
    close: () => closeAll(objects)
  }
}

interface OpenedLayers {
  module: OpenedModule
  /** Of each of its layers. */
  objects: LayerObject[]
}

async function openChosen(
  store: Store,
  chosen: ChosenModule,
  profile: Profile,
  verify: boolean
): Promise<OpenedLayers> {
  const module = await openModule(store, chosen)
  const objects: LayerObject[] = []
  try {
    for (const id of module.layers) {
      const object = await openObject(store, id, profile)
      objects.push(object)
      if (verify) await verifyObject(object)
    }
    return { module, objects }
  } catch (error) {
    await closeAll(objects)
    throw error
  }
}

/** Files of several modules are opened at once. The first failure, in the order of the modules, is the one that counts. */
async function allOrNone(opening: Promise<OpenedLayers>[]): Promise<OpenedLayers[]> {
  const results = await Promise.allSettled(opening)
  const failed = results.find(({ status }) => status === 'rejected')
  if (failed === undefined) return Promise.all(opening)
  for (const result of results) if (result.status === 'fulfilled') await closeAll(result.value.objects)
  throw (failed as PromiseRejectedResult).reason
}

async function closeAll(objects: LayerObject[]): Promise<void> {
  for (const { data } of objects) await data.close()
}

async function openModule(store: Store, module: ChosenModule): Promise<OpenedModule> {
  if (module.record === undefined) return module
  const bytes = await readWholeBlob(store, sha256Of(module.record))
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

function stackLayer(module: OpenedModule, id: CID, { index }: LayerObject, ordinal: number): StackLayer {
  const patterns = module.metadata?.record.replaces ?? []
  return {
    index,
    module: ordinal,
    name: module.captured ? 'the sandbox' : (module.name ?? `layer ${formatCid(id)}`),
    role: module.captured ? 'captured' : 'module',
    replaces: replacesMatcher(patterns)
  }
}

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
