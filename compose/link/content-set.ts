import type { LayerIndex } from '../../store/object/layer-index.ts'
import { sameContent } from '../merge/compare.ts'

const EMPTY = 0xffffffff

/** Contents that files of the image have, found by size and SHA-256. Open addressing: no object for each. */
export class ContentSet {
  readonly #indexes: LayerIndex[]
  /** Slots in pairs: layer, content. */
  readonly #slots: Uint32Array
  readonly #mask: number

  static of(indexes: LayerIndex[], layers: { used: Uint8Array }[]): ContentSet {
    const count = layers.reduce((sum, { used }) => sum + used.length, 0)
    const set = new ContentSet(indexes, count)
    layers.forEach(({ used }, layer) => {
      for (let content = 0; content < used.length; content++)
        if (used[content] === 1) set.#add(layer, content)
    })
    return set
  }

  private constructor(indexes: LayerIndex[], count: number) {
    this.#indexes = indexes
    const slots = 2 ** Math.ceil(Math.log2(2 * count + 2))
    this.#slots = new Uint32Array(2 * slots).fill(EMPTY)
    this.#mask = slots - 1
  }

  has(index: LayerIndex, content: number): boolean {
    return this.#slots[2 * this.#find(index, content)] !== EMPTY
  }

  #add(layer: number, content: number): void {
    const slot = this.#find(this.#indexes[layer], content)
    this.#slots[2 * slot] = layer
    this.#slots[2 * slot + 1] = content
  }

  /** The slot that holds an equal content, or the free one where it would stand. */
  #find(index: LayerIndex, content: number): number {
    const { contentHash } = index
    const at = 32 * content
    // The first bytes of a SHA-256 are as random as any hash of it.
    let slot =
      (contentHash[at] |
        (contentHash[at + 1] << 8) |
        (contentHash[at + 2] << 16) |
        (contentHash[at + 3] << 24)) &
      this.#mask
    for (; this.#slots[2 * slot] !== EMPTY; slot = (slot + 1) & this.#mask)
      if (sameContent(this.#indexes[this.#slots[2 * slot]], this.#slots[2 * slot + 1], index, content)) break
    return slot
  }
}
