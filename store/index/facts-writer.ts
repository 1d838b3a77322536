/** Adds layers to the databases of layers (spec/index.md#facts). */
import type { LayerManifest } from '../module/index.ts'
import { type Digest, sha256Of } from '../values/index.ts'
import { ownUid } from './database-folder.ts'
import type { Database } from './database-reader.ts'
import { addToDatabase, rebuildDatabase, type Writing, writeTables } from './database-writer.ts'
import { encodeFacts, FACTS, layerKey, NOTHING, nameKey, withNumber } from './facts-keys.ts'
import { openFactsViews, readLayers } from './facts-view.ts'
import { pathNames, type TreeNames } from './tree-search.ts'

/** Limit of a batch, which is held in memory. */
const BATCH_KEYS = 50_000

export interface LayerToAdd {
  layer: Digest
  /** Called only if the layer is not in the database yet; undefined if it cannot be added. */
  read(): Promise<{ manifest: LayerManifest; tree: TreeNames & { contentHash: Uint8Array } } | undefined>
}

export interface AddLayersOptions {
  /** Make it anew instead of adding to it. */
  rebuild: boolean
  /** After this number of milliseconds, the rest is left to a later call. */
  budgetMs: number
}

/**
 * @returns true if all layers that can be read are in it now
 * @throws Error of LevelDB or the system if nothing can be written, for instance because another process is writing
 */
export async function addLayers(
  root: string,
  layers: LayerToAdd[],
  { rebuild, budgetMs }: AddLayersOptions
): Promise<boolean> {
  const wanted = rebuild ? layers : await dropCovered(root, layers)
  if (wanted.length === 0 && !rebuild) return true
  const writing: Writing<boolean> = {
    kind: FACTS,
    check: readLayers,
    fill: db => fill(db, wanted, performance.now() + budgetMs)
  }
  return rebuild ? rebuildDatabase(root, writing, { removesOthers: true }) : addToDatabase(root, writing)
}

/** Leaves out layers that other users' databases cover. */
async function dropCovered(root: string, layers: LayerToAdd[]): Promise<LayerToAdd[]> {
  const covered = new Set<Digest>()
  for (const view of await openFactsViews(root, ownUid())) {
    for (const layer of view.layers.keys()) covered.add(layer)
    await view.close()
  }
  return layers.filter(({ layer }) => !covered.has(layer))
}

async function fill(db: Database, layers: LayerToAdd[], deadline: number): Promise<boolean> {
  const there = await readLayers(db)
  let number = Math.max(0, ...Array.from(there.values(), facts => facts.number))
  let added = 0
  let isComplete = true
  for (const { layer, read } of layers) {
    if (there.has(layer)) continue
    isComplete &&= performance.now() < deadline
    if (!isComplete) break
    const found = await read()
    if (found === undefined) continue
    number++
    added++
    const { manifest, tree } = found
    await putKeys(db, number, tree)
    const facts = {
      number,
      tar: sha256Of(manifest.tar),
      sidecar: manifest.sidecar && sha256Of(manifest.sidecar)
    }
    await db.put(layerKey(layer), encodeFacts(facts)) // last, because it says that the other keys are there
    there.set(layer, facts)
  }
  if (added > 0) await writeTables(db)
  return isComplete
}

async function putKeys(db: Database, number: number, tree: TreeNames): Promise<void> {
  let batch = db.batch()
  for (const name of pathNames(tree)) {
    batch.put(withNumber(nameKey(name), number), NOTHING)
    if (batch.length < BATCH_KEYS) continue
    await batch.write()
    batch = db.batch()
  }
  await batch.write()
}
