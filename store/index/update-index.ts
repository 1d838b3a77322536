/** Keeping `index/` up to date: after each publishing, and whole by fsck. */
import { debuglog } from 'node:util'
import type { CID } from 'multiformats/cid'
import { type Store, storeFolder, TMP } from '../files/index.ts'
import { formatCid } from '../values/index.ts'
import { addLayers, type LayerToAdd } from './facts-writer.ts'
import { LayerTrees } from './layer-trees.ts'
import { type IndexedModules, readModulesFile } from './modules-file.ts'
import { digestOfId, readLayerFast } from './read-manifest.ts'
import { refreshModules } from './refresh-modules.ts'

const debug = debuglog('strata')

/** An import does not make up for an index that was lost; it adds a part, the next one more. */
const BUDGET_MS = 5000

/**
 * After a module was published in this store: put it into the index, and what else is missing there. As far as it
 * can be done: what is not is found in refs/ and the layers by whoever looks something up.
 * @param record of the module that was published; its layers go first
 * @returns whether the index says all
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

/**
 * Make the index of this store anew from refs/, records and layers.
 * @returns whether it was; `read-only` when nothing can be written in the store
 * @throws StrataError IO if refs/ cannot be read
 */
export async function rebuildIndex(store: Store): Promise<boolean | 'read-only'> {
  if (!storeFolder(store.root).mayWrite(TMP)) return 'read-only'
  const { modules, isWritten } = await refreshModules(store, { mayMakeFolder: true })
  try {
    const layers = layersToAdd(store, modules)
    await addLayers(store.root, layers, { rebuild: true, budgetMs: Number.POSITIVE_INFINITY })
    return isWritten
  } catch (error) {
    debug('index of %s is not rebuilt: %o', store.root, error)
    return false
  }
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
        // The databases are for everyone (spec/index.md#restricted-layers).
        if (!trees.isForEveryone(layer)) return undefined
        const tree = await trees.read(layer)
        // A layer that is damaged is left out, and found wanting by whoever searches it.
        const manifest = tree && (await readLayerFast(store, id).catch(() => undefined))
        return manifest && { tree, manifest }
      }
    }
  })
}
