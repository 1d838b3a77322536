/** Reads the databases of layers: which layer has a path of a name, and which uses a blob (spec/index.md#facts). */
import type { Digest, PathBytes } from '../values/index.ts'
import { type Database, type OpenView, openViews } from './database-reader.ts'
import {
  decodeFacts,
  decodeLayerKey,
  FACTS,
  LAYERS_BELOW,
  LAYERS_FROM,
  type LayerFacts,
  nameKey,
  numberOf,
  withNumber
} from './facts-keys.ts'

/**
 * The databases of a store. Layers that only an unreadable one covers are searched by their tree indexes.
 * @param without the user whose database is left out
 */
export const openFactsViews = async (root: string, without?: number): Promise<FactsView[]> =>
  (await openViews(root, FACTS, readLayers, { without })).map(view => new FactsView(view))

/**
 * Its methods throw if a file of the database is damaged or gone; then the layers themselves must be searched.
 */
export class FactsView {
  readonly #view: OpenView<ReadonlyMap<Digest, LayerFacts>>
  readonly #layerOf = new Map<number, Digest>()

  constructor(view: OpenView<ReadonlyMap<Digest, LayerFacts>>) {
    this.#view = view
    for (const [layer, { number }] of view.found) this.#layerOf.set(number, layer)
  }

  /** Layers that are completely in it. It has nothing about others. */
  get layers(): ReadonlyMap<Digest, LayerFacts> {
    return this.#view.found
  }

  /** Layers that have a path with this last component, and perhaps others. */
  async layersNaming(name: PathBytes): Promise<Digest[]> {
    const start = nameKey(name)
    const found: Digest[] = []
    const range = { gte: withNumber(start, 0), lte: withNumber(start, 0xffffffff) }
    for await (const key of this.#view.db.keys(range)) {
      const layer = this.#layerOf.get(numberOf(start, key))
      if (layer !== undefined) found.push(layer) // undefined if its writer was interrupted
    }
    return found
  }

  close(): Promise<void> {
    return this.#view.close()
  }
}

/** @throws Error of LevelDB, RangeError */
export async function readLayers(db: Database): Promise<Map<Digest, LayerFacts>> {
  const layers = new Map<Digest, LayerFacts>()
  for await (const [key, value] of db.iterator({ gte: LAYERS_FROM, lt: LAYERS_BELOW }))
    layers.set(decodeLayerKey(key), decodeFacts(value))
  return layers
}
