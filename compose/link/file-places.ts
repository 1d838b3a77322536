import { blocksOf, NONE, STORED_RAW } from '../../store/object/layer-index.ts'
import type { StackLayer } from '../merge/index.ts'
import { NO_FRAGMENT } from '../squashfs/format.ts'
import type { FilePlace } from '../squashfs/inode.ts'
import { type Donor, donorKey, type LiveData } from './live-data.ts'
import type { PlacedData } from './place-data.ts'
import type { PlacedFragments } from './repack-fragments.ts'

/** Where the bytes of each content are, once every block and fragment has its place. */
export class FilePlaces {
  readonly #layers: StackLayer[]
  readonly #live: LiveData
  readonly #placed: PlacedData
  readonly #fragments: PlacedFragments

  constructor(layers: StackLayer[], live: LiveData, placed: PlacedData, fragments: PlacedFragments) {
    this.#layers = layers
    this.#live = live
    this.#placed = placed
    this.#fragments = fragments
  }

  of(layer: number, content: number): FilePlace {
    const { index } = this.#layers[layer]
    const { blockSize } = index.profile
    const sizeBytes = index.contentSize[content]
    const blocks = blocksOf(sizeBytes, blockSize)
    const donor = this.#blocksOf(layer, content)
    const { blockStored, contentFirstBlock } = this.#layers[donor.layer].index
    const firstBlock = contentFirstBlock[donor.content]
    let storedBytes = 0
    let holes = 0
    for (let i = firstBlock; i < firstBlock + blocks; i++) {
      storedBytes += blockStored[i] & ~STORED_RAW
      if (blockStored[i] === 0) holes++
    }
    return {
      sizeBytes,
      start: storedBytes === 0 ? 0 : this.#placed.layers[donor.layer].contentStart[donor.content],
      sparseBytes: holes * blockSize,
      ...this.#tail(layer, content),
      blockStored,
      firstBlock,
      blocks
    }
  }

  /** Where the blocks come from: an equal content below may be packed at another level, into other sizes. */
  #blocksOf(layer: number, content: number): Donor {
    if (this.#live.layers[layer].hasBlocks[content] === 1) return { layer, content }
    return this.#live.donors.get(donorKey(layer, content)) ?? { layer, content }
  }

  #tail(layer: number, content: number): { fragment: number; fragmentOffset: number } {
    const { index } = this.#layers[layer]
    if (index.contentFragment[content] === NONE) return { fragment: NO_FRAGMENT, fragmentOffset: 0 }
    const places = this.#fragments.layers[layer]
    const whole = places.fragment[index.contentFragment[content]]
    if (whole !== NO_FRAGMENT)
      return { fragment: whole, fragmentOffset: index.contentFragmentOffset[content] }
    const { fragment, offset } = places.moved.get(content)!
    return { fragment, fragmentOffset: offset }
  }
}
