/** Tree indexes of layers from any store and profile: a layer's tree is the same in all. */
import { readIndex } from '../contents/index.ts'
import {
  EVERYONE,
  foldersBelow,
  indexPathBelow,
  OBJECTS,
  readAccess,
  type Store,
  storeFolder
} from '../files/index.ts'
import type { LayerIndex } from '../object/index.ts'
import type { Digest } from '../values/index.ts'

/**
 * Number of trees kept. The layers of a module are searched together, and modules share layers; those of a whole store
 * would not fit into memory.
 */
const KEPT_TREES = 16

export class LayerTrees {
  readonly #places: { root: string; profileFolder: string }[]
  readonly #kept = new Map<Digest, LayerIndex | undefined>()

  constructor({ searched }: Store) {
    this.#places = searched.flatMap(({ root }) =>
      foldersBelow(root, OBJECTS).map(profileFolder => ({ root, profileFolder }))
    )
  }

  /** @returns undefined if no store has an intact one: objects are a cache */
  async read(layer: Digest): Promise<LayerIndex | undefined> {
    const tree = this.#kept.has(layer) ? this.#kept.get(layer) : await this.#find(layer)
    this.#kept.delete(layer) // moves to the end, so that the first is the one unused for longest
    this.#kept.set(layer, tree)
    if (this.#kept.size > KEPT_TREES) this.#kept.delete(this.#kept.keys().next().value!)
    return tree
  }

  /** True if everyone may read the tree. Facts about a tree with restricted access must not be told to all. */
  isForEveryone(layer: Digest): boolean {
    for (const { root, profileFolder } of this.#places)
      try {
        const found = storeFolder(root).withInode(indexPathBelow(profileFolder, layer), readAccess)
        if (found !== undefined) return found.access === EVERYONE
      } catch {
        return false
      }
    return false
  }

  async #find(layer: Digest): Promise<LayerIndex | undefined> {
    for (const { root, profileFolder } of this.#places) {
      const path = indexPathBelow(profileFolder, layer)
      const tree = await readIndex(root, path).catch(() => undefined) // fsck reports the fault
      if (tree !== undefined) return tree
    }
  }
}
