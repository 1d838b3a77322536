/**
 * Fragment blocks of the image. Those of the layers are taken as they are while every byte of them may be seen; from
 * the others the tails that may be seen are gathered, in the order of layers, blocks and offsets, into new blocks.
 */
import { StrataError } from '../../store/errors.ts'
import { CompressPool, type PackedBlock } from '../../store/object/compress-pool.ts'
import { ContentReader, type DataSource } from '../../store/object/content-reader.ts'
import { type LayerIndex, NONE } from '../../store/object/layer-index.ts'
import type { StackLayer } from '../merge/index.ts'
import { NO_FRAGMENT } from '../squashfs/format.ts'
import type { ImageFile } from './image-file.ts'
import { Fragment, type LiveData, tailBytes } from './live-data.ts'
import type { PlacedData } from './place-data.ts'

export interface PlacedFragments {
  /** Per block: where it starts in the image, and its stored size as the format has it. */
  start: number[]
  stored: number[]
  layers: TailPlaces[]
  /** New blocks, and the first byte of the image behind them. */
  repacked: number
  end: number
}

interface TailPlaces {
  /** Per fragment block of the layer: its number in the image, NO_FRAGMENT unless taken as it is. */
  fragment: Uint32Array
  /** Per content whose tail moved: number of the new block and offset in it. */
  moved: Map<number, { fragment: number; offset: number }>
}

/** Writes the new blocks behind the runs. @throws StrataError OBJECT_CORRUPT for a block that cannot be unpacked */
export async function placeFragments(
  layers: StackLayer[],
  data: DataSource[],
  live: LiveData,
  placed: PlacedData,
  image: ImageFile
): Promise<PlacedFragments> {
  const result: PlacedFragments = { start: [], stored: [], layers: [], repacked: 0, end: placed.end }
  layers.forEach(({ index }, layer) => {
    result.layers.push({ fragment: takeWhole(index, layer, live, placed, result), moved: new Map() })
  })
  const isPartial = (layer: number) => live.layers[layer].fragment.includes(Fragment.partial)
  const torn = layers.map((_, layer) => layer).filter(isPartial)
  if (torn.length === 0) return result
  const gatherer = new Gatherer(layers[0].index, result, image)
  try {
    for (const layer of torn)
      await gatherer.gather(layers[layer], data[layer], live.layers[layer], result.layers[layer])
    await gatherer.finish()
  } finally {
    await gatherer.close()
  }
  return result
}

function takeWhole(
  index: LayerIndex,
  layer: number,
  live: LiveData,
  placed: PlacedData,
  into: PlacedFragments
) {
  const { fragment } = live.layers[layer]
  const numbers = new Uint32Array(fragment.length).fill(NO_FRAGMENT)
  for (let i = 0; i < fragment.length; i++) {
    if (fragment[i] !== Fragment.whole) continue
    numbers[i] = into.start.length
    into.start.push(placed.layers[layer].fragmentStart[i])
    into.stored.push(index.fragmentStored[i])
  }
  return numbers
}

class Gatherer {
  readonly #index: LayerIndex
  readonly #result: PlacedFragments
  readonly #image: ImageFile
  readonly #pool = new CompressPool()
  readonly #packing: Promise<PackedBlock>[] = []
  #block: Uint8Array<ArrayBuffer>
  #filled = 0

  constructor(index: LayerIndex, result: PlacedFragments, image: ImageFile) {
    this.#index = index
    this.#result = result
    this.#image = image
    this.#block = new Uint8Array(index.profile.blockSize)
  }

  async gather(
    { index, name }: StackLayer,
    source: DataSource,
    live: { used: Uint8Array; fragment: Uint8Array },
    places: TailPlaces
  ): Promise<void> {
    const reader = new ContentReader(source, index, index.profile)
    for (const content of tornTails(index, live)) {
      const tail = readTail(reader, index, content, name)
      if (this.#filled + tail.length > this.#block.length) {
        this.#submit()
        // Not awaited before the workers are busy: until then nothing else should get its turn.
        if (this.#packing.length >= this.#pool.depth) await this.#store()
      }
      this.#block.set(tail, this.#filled)
      places.moved.set(content, { fragment: this.#number, offset: this.#filled })
      this.#filled += tail.length
    }
  }

  async finish(): Promise<void> {
    if (this.#filled > 0) this.#submit()
    while (this.#packing.length > 0) await this.#store()
  }

  close(): Promise<void> {
    return this.#pool.close()
  }

  /** Number in the image of the block being filled. */
  get #number(): number {
    return this.#result.start.length + this.#packing.length
  }

  #submit(): void {
    const packed = this.#pool.pack(this.#block.buffer, this.#filled, this.#index.profile)
    packed.catch(() => {}) // reported where it is awaited
    this.#packing.push(packed)
    this.#block = new Uint8Array(this.#index.profile.blockSize) // the old one moved to the worker
    this.#filled = 0
  }

  /** In the order in which the blocks were filled, whichever worker was quick. */
  async #store(): Promise<void> {
    const { bytes, stored } = await this.#packing[0]
    this.#packing.shift()
    this.#image.write(bytes, this.#result.end)
    this.#result.start.push(this.#result.end)
    this.#result.stored.push(stored)
    this.#result.end += bytes.length
    this.#result.repacked++
  }
}

/** Contents whose tails have to move, by block and offset. */
function tornTails(
  index: LayerIndex,
  { used, fragment }: { used: Uint8Array; fragment: Uint8Array }
): number[] {
  const { contentFragment, contentFragmentOffset } = index
  const found: number[] = []
  for (let content = 0; content < used.length; content++) {
    const block = contentFragment[content]
    if (used[content] === 1 && block !== NONE && fragment[block] === Fragment.partial) found.push(content)
  }
  return found.sort(
    (a, b) => contentFragment[a] - contentFragment[b] || contentFragmentOffset[a] - contentFragmentOffset[b]
  )
}

function readTail(reader: ContentReader, index: LayerIndex, content: number, name: string): Uint8Array {
  const offset = index.contentFragmentOffset[content]
  try {
    return reader
      .fragment(index.contentFragment[content])
      .subarray(offset, offset + tailBytes(index, content))
  } catch (cause) {
    throw new StrataError('OBJECT_CORRUPT', {
      message: `the compiled object of ${name} is damaged: ${(cause as Error).message}`,
      facts: { module: name },
      hint: 'compose fsck',
      cause
    })
  }
}
