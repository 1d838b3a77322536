/** Tree indexes of layers, whichever store and profile they were compiled for: the tree is the same in all. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { accessOfPath, EVERYONE } from '../access/file-access.ts'
import type { Digest } from '../digest.ts'
import type { LayerIndex } from '../object/layer-index.ts'
import { readIndex } from '../object/object-store.ts'
import type { Store } from '../store.ts'
import { indexPathBelow, OBJECTS } from '../store-layout.ts'

/** The layers of a module are looked at together, and modules share them; all of a store's would not fit into memory. */
const KEPT_TREES = 16

export class LayerTrees {
  readonly #places: { root: string; profileFolder: string }[]
  readonly #kept = new Map<Digest, LayerIndex | undefined>()

  constructor({ searched }: Store) {
    this.#places = searched.flatMap(({ root }) =>
      foldersIn(join(root, OBJECTS)).map(profileFolder => ({ root, profileFolder }))
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
        return accessOfPath(join(root, indexPathBelow(profileFolder, layer))).access === EVERYONE
      } catch (error) {
        if (!['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return false
      }
    return false
  }

  async #find(layer: Digest): Promise<LayerIndex | undefined> {
    for (const { root, profileFolder } of this.#places) {
      const path = join(root, indexPathBelow(profileFolder, layer))
      const tree = await readIndex(root, path).catch(() => undefined) // fsck is who complains
      if (tree !== undefined) return tree
    }
  }
}

function foldersIn(path: string): string[] {
  try {
    return readdirSync(path).sort()
  } catch {
    return []
  }
}
