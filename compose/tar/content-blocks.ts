import {
  blocksOf,
  ContentReader,
  type DataSource,
  type LayerIndex,
  NONE,
  readStored,
  STORED_RAW,
  unpackBlock
} from '../../store/object/index.ts'

/** Bytes of a file, and their packed form if they are packed separately. */
export interface ContentPiece {
  rawBytes: Uint8Array
  /** A zstd frame of exactly the raw bytes. */
  frame?: Uint8Array
  /** True for zeros that the layer does not store. */
  isHole?: boolean
}

/** Reads contents of a layer block by block, also in packed form. It holds a few blocks in memory. */
export class ContentBlocks {
  readonly #source: DataSource
  readonly #index: LayerIndex
  readonly #tails: ContentReader
  readonly #room: Uint8Array
  readonly #stored: Uint8Array
  readonly #zeros: Uint8Array

  constructor(source: DataSource, index: LayerIndex) {
    const { blockSize } = index.profile
    this.#source = source
    this.#index = index
    this.#tails = new ContentReader(source, index, index.profile)
    this.#room = new Uint8Array(blockSize)
    this.#stored = new Uint8Array(blockSize)
    this.#zeros = new Uint8Array(blockSize)
  }

  /** Yields pieces that are valid until the next one is taken. @throws RangeError naming the faulty block */
  *read(content: number): Generator<ContentPiece> {
    const { contentSize, contentStart, contentFirstBlock, contentFragment, blockStored, profile } =
      this.#index
    const size = contentSize[content]
    const blocks = blocksOf(this.#index, content, profile.blockSize)
    let start = contentStart[content]
    for (let i = 0; i < blocks; i++) {
      const stored = blockStored[contentFirstBlock[content] + i]
      const length = Math.min(profile.blockSize, size - i * profile.blockSize)
      yield stored === 0
        ? { rawBytes: this.#zeros.subarray(0, length), isHole: true }
        : this.#block(content, i, start, stored, length)
      start += stored & ~STORED_RAW
    }
    if (contentFragment[content] === NONE) return
    for (const rawBytes of this.#tails.read(content, blocks * profile.blockSize)) yield { rawBytes }
  }

  #block(content: number, i: number, start: number, stored: number, length: number): ContentPiece {
    const { compressor } = this.#index.profile
    try {
      const packed = readStored(this.#source, start, stored & ~STORED_RAW, this.#stored)
      const rawBytes = this.#room.subarray(0, unpackBlock(packed, stored, this.#room, compressor))
      if (rawBytes.length !== length) throw new RangeError(`it has ${rawBytes.length} bytes`)
      return compressor === 'zstd' && (stored & STORED_RAW) === 0 ? { rawBytes, frame: packed } : { rawBytes }
    } catch (error) {
      throw new RangeError(`block ${i} of content ${content} at byte ${start}: ${(error as Error).message}`, {
        cause: error
      })
    }
  }
}
