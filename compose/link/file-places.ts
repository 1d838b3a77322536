import { blocksOf, NONE, STORED_RAW } from '../../store/object/index.ts'
import type { StackLayer } from '../merge/index.ts'
import { type FilePlace, NO_FRAGMENT } from '../squashfs/index.ts'
import type { DataPart } from './data-part.ts'
import { targetOf } from './place-data.ts'

/** The position of each content in the image, once every block and fragment has its place. */
export class FilePlaces {
  readonly #layers: StackLayer[]
  /** One part per layer. */
  readonly #parts: DataPart[]
  readonly #found: FilePlace = {
    sizeBytes: 0,
    start: 0,
    sparseBytes: 0,
    fragment: NO_FRAGMENT,
    fragmentOffset: 0,
    blockStored: new Uint32Array(),
    firstBlock: 0,
    blocks: 0
  }

  constructor(layers: StackLayer[], parts: DataPart[]) {
    this.#layers = layers
    this.#parts = parts.flatMap(part => part.layers.map(() => part))
  }

  /** The place of a content. The object is valid until the next call. */
  of(layer: number, content: number): FilePlace {
    const found = this.#found
    const { index } = this.#layers[layer]
    const { first, plan } = this.#parts[layer]
    const sizeBytes = index.contentSize[content]
    const block = index.contentFragment[content]
    const tails = plan.layers[layer - first]
    const whole = block === NONE ? NO_FRAGMENT : tails.fragment[block]
    const moved = block === NONE || whole !== NO_FRAGMENT ? undefined : tails.moved.get(content)!
    found.sizeBytes = sizeBytes
    found.fragment = moved === undefined ? whole : moved.fragment
    found.fragmentOffset = moved === undefined ? index.contentFragmentOffset[content] : moved.offset
    found.start = 0
    found.sparseBytes = 0
    found.blocks = 0
    // Most files are smaller, and lie in the fragment entirely.
    if (sizeBytes >= index.profile.blockSize || block === NONE) this.#placeBlocks(layer, content)
    return found
  }

  #placeBlocks(layer: number, content: number): void {
    const found = this.#found
    const { first, live, placed } = this.#parts[layer]
    const { index } = this.#layers[layer]
    const { blockSize } = index.profile
    const blocks = blocksOf(index, content, blockSize)
    const donor = live[layer - first].donors.get(content)
    // An equal content of a lower layer may be packed at another level, with other sizes.
    const fromLayer = donor?.layer ?? layer - first
    const fromContent = donor?.content ?? content
    const { blockStored, contentFirstBlock, contentStart } = this.#layers[first + fromLayer].index
    const firstBlock = contentFirstBlock[fromContent]
    let storedBytes = 0
    let sparseBytes = 0
    for (let i = 0; i < blocks; i++) {
      const stored = blockStored[firstBlock + i]
      storedBytes += stored & ~STORED_RAW
      if (stored === 0) sparseBytes += Math.min(blockSize, found.sizeBytes - i * blockSize)
    }
    found.start = storedBytes === 0 ? 0 : targetOf(placed.runs[fromLayer], contentStart[fromContent])
    found.sparseBytes = sparseBytes
    found.blockStored = blockStored
    found.firstBlock = firstBlock
    found.blocks = blocks
  }
}
