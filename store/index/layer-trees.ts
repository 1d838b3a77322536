/** Tree indexes of layers, whichever store and profile they were compiled for: the tree is the same in all. */
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

/** The layers of a module are looked at together, and modules share them; all of a store's would not fit into memory. */
const KEPT_TREES = 16

export class LayerTrees {
  readonly #places: { root: string; profileFolder: string }[]
  readonly #kept = new Map<Digest, LayerIndex | undefined>()

  constructor({ searched }: Store) {
    this.#places = searched.flatMap(({ root }) =>
      foldersBelow(root, OBJECTS).map(profileFolder => ({ root, profileFolder }))
    )
  }

  /** @returns undefined when no store has an intact one: objects are a cache */
  async read(layer: Digest): Promise<LayerIndex | undefined> {
    const tree = this.#kept.has(layer) ? this.#kept.get(layer) : await this.#find(layer)
    this.#kept.delete(layer) // and to the end: the first is the one not used for longest
    this.#kept.set(layer, tree)
    if (this.#kept.size > KEPT_TREES) this.#kept.delete(this.#kept.keys().next().value!)
    return tree
  }

  /** Whether anybody may read the tree: of one that is for some, nothing may be told to all. */
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
      const tree = await readIndex(root, path).catch(() => undefined) // fsck is who complains
      if (tree !== undefined) return tree
    }
  }
}
