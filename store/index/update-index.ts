/** Keeps `index/` up to date: a part after each publishing, or the whole for fsck. */
import { debuglog } from 'node:util'
import type { CID } from 'multiformats/cid'
import { type Store, storeFolder, TMP } from '../files/index.ts'
import { type Digest, formatCid, sha256Of } from '../values/index.ts'
import { rebuildBlocks } from './block-rebuild.ts'
import { addLayers, type LayerToAdd } from './facts-writer.ts'
import { LayerTrees } from './layer-trees.ts'
import { type IndexedModules, readModulesFile } from './modules-file.ts'
import { digestOfId, readLayerFast } from './read-manifest.ts'
import { refreshModules } from './refresh-modules.ts'
import { storedParts } from './stored-parts.ts'

const debug = debuglog('strata')

/** Limit for the time that an import spends here. It does not rebuild a lost index: each import adds a part. */
const BUDGET_MS = 5000

/**
 * Adds a module that was published in this store to the index, and then other modules that it lacks. Errors are not
 * fatal: look-ups find missing modules in refs/ and the layers.
 * @param record of the module that was published; its layers go first
 * @returns true if the index is complete
 */
export async function updateIndex(store: Store, record: CID): Promise<boolean> {
  try {
    const known = readModulesFile(store.root)
    const { modules, isWritten } = await refreshModules(store, { known, mayMakeFolder: true })
    const layers = layersToAdd(store, modules, formatCid(record))
    return (await addLayers(store.root, layers, { rebuild: false, budgetMs: BUDGET_MS })) && isWritten
  } catch (error) {
    debug('index of %s is not up to date: %o', store.root, error)
    return false
  }
}

export interface RebuildOptions {
  /**
   * Also note the blocks of all data files, which are unpacked for that. Otherwise blocks only leave the databases whose
   * parts are gone, or were closed to somebody.
   */
  readsData?: boolean
}

/**
 * Rebuilds the index of this store from refs/, records and layers.
 * @returns true if it was rebuilt; `read-only` if nothing can be written in the store
 * @throws StrataError IO if refs/ cannot be read
 */
export async function rebuildIndex(
  store: Store,
  { readsData = false }: RebuildOptions = {}
): Promise<boolean | 'read-only'> {
  if (!storeFolder(store.root).mayWrite(TMP)) return 'read-only'
  const { modules, isWritten } = await refreshModules(store, { mayMakeFolder: true })
  try {
    const layers = layersToAdd(store, modules)
    await addLayers(store.root, layers, { rebuild: true, budgetMs: Number.POSITIVE_INFINITY })
    const tarballs = readsData ? await tarballsOf(store, modules) : undefined
    await rebuildBlocks(store.root, tarballs && (await storedParts(store, tarballs)))
    return isWritten
  } catch (error) {
    debug('index of %s is not rebuilt: %o', store.root, error)
    return false
  }
}

/** The tarballs of all layers whose manifests can be read, each once. */
async function tarballsOf(store: Store, modules: IndexedModules): Promise<Set<Digest>> {
  const tarballs = new Set<Digest>()
  for (const id of new Set([...modules.layers().values()].flat())) {
    const manifest = await readLayerFast(store, id).catch(() => undefined)
    if (manifest !== undefined) tarballs.add(sha256Of(manifest.tar))
  }
  return tarballs
}

function layersToAdd(store: Store, modules: IndexedModules, first?: string): LayerToAdd[] {
  const trees = new LayerTrees(store)
  const layers = modules.layers()
  const ids = new Set([...(layers.get(first ?? '') ?? []), ...[...layers.values()].flat()])
  return [...ids].map(id => {
    const layer = digestOfId(id)
    return {
      layer,
      read: async () => {
        // Everyone can read the databases, so layers for groups are left out (spec/index.md#restricted-layers).
        if (!trees.isForEveryone(layer)) return undefined
        const tree = await trees.read(layer)
        // A damaged layer is left out; a search that reads it reports the damage.
        const manifest = tree && (await readLayerFast(store, id).catch(() => undefined))
        return manifest && { tree, manifest }
      }
    }
  })
}
