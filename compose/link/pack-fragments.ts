import {
  CompressPool,
  ContentReader,
  type DataSource,
  InlinePacker,
  type PackedBlock,
  type Packer,
  tailBytes
} from '../../store/object/index.ts'
import { type Profile, packingProfile, StrataError } from '../../store/values/index.ts'
import type { StackLayer } from '../merge/index.ts'
import { NO_FRAGMENT } from '../squashfs/index.ts'
import type { DataPart } from './data-part.ts'
import type { ImageFile } from './image-file.ts'
import { targetOf } from './place-data.ts'
import type { NewBlock } from './plan-fragments.ts'

export interface PackedFragments {
  /** Per block: its position in the image, and its stored size as the format writes it. */
  start: number[]
  stored: number[]
  /** First byte of the image behind all blocks. */
  end: number
}

/** A user waits: a higher level takes ten times as long and saves 8% of a few blocks. */
const MOST_LEVEL = 6

/** Starting a worker takes as long as packing this many blocks. */
const FEW_BLOCKS = 24

/**
 * Packs the new blocks and writes them behind the runs.
 * @throws StrataError OBJECT_CORRUPT for a block that cannot be unpacked
 */
export async function packFragments(
  { layers, placed, plan }: DataPart,
  data: DataSource[],
  image: ImageFile
): Promise<PackedFragments> {
  const result: PackedFragments = { start: [], stored: [], end: placed.end }
  layers.forEach(({ index }, layer) => {
    const { fragment } = plan.layers[layer]
    for (let block = 0; block < fragment.length; block++) {
      if (fragment[block] === NO_FRAGMENT) continue
      result.start.push(targetOf(placed.runs[layer], index.fragmentStart[block]))
      result.stored.push(index.fragmentStored[block])
    }
  })
  const { repacked } = plan
  if (repacked.length === 0) return result
  const store = async (packing: Promise<PackedBlock>) => {
    const { bytes, stored } = await packing
    image.write(bytes, result.end)
    result.start.push(result.end)
    result.stored.push(stored)
    result.end += bytes.length
  }
  const pool = repacked.length > FEW_BLOCKS ? new CompressPool() : undefined
  try {
    await packInOrder(repacked, new TailReader(layers, data), pool ?? new InlinePacker(), store)
  } finally {
    await pool?.close()
  }
  return result
}

/** Writes blocks in the order of the plan, whichever worker finishes first. */
async function packInOrder(
  blocks: NewBlock[],
  reader: TailReader,
  packer: Packer,
  store: (packing: Promise<PackedBlock>) => Promise<void>
): Promise<void> {
  const { profile } = reader
  const packing = { ...profile, level: Math.min(profile.level, MOST_LEVEL) }
  const underWay: Promise<PackedBlock>[] = []
  for (const block of blocks) {
    const { buffer, length } = reader.gather(block)
    const packed = packer.pack(buffer, length, packing)
    packed.catch(() => {}) // reported where it is awaited
    underWay.push(packed)
    if (underWay.length >= packer.depth) await store(underWay.shift()!)
  }
  for (const packed of underWay) await store(packed)
}

class TailReader {
  readonly profile: Profile
  readonly #layers: StackLayer[]
  readonly #readers: ContentReader[]

  constructor(layers: StackLayer[], data: DataSource[]) {
    this.profile = packingProfile(layers[0].index.profile)
    this.#layers = layers
    this.#readers = layers.map(({ index }, i) => new ContentReader(data[i], index, index.profile))
  }

  /** The bytes of a new block, in a buffer of its own, which can be transferred to a worker. */
  gather(block: NewBlock): { buffer: ArrayBuffer; length: number } {
    const bytes = new Uint8Array(this.profile.blockSize)
    let length = 0
    for (const { layer, content } of block) {
      const tail = this.#tail(layer, content)
      bytes.set(tail, length)
      length += tail.length
    }
    return { buffer: bytes.buffer, length }
  }

  #tail(layer: number, content: number): Uint8Array {
    const { index, name } = this.#layers[layer]
    const offset = index.contentFragmentOffset[content]
    try {
      return this.#readers[layer]
        .fragment(index.contentFragment[content])
        .subarray(offset, offset + tailBytes(index, content, index.profile.blockSize))
    } catch (cause) {
      throw new StrataError('OBJECT_CORRUPT', {
        message: `the compiled object of ${name} is damaged: ${(cause as Error).message}`,
        facts: { module: name },
        hint: 'compose fsck',
        cause
      })
    }
  }
}
