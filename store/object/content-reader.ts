import { type BlockForm, StrataError } from '../values/index.ts'
import { unpackBlock } from './block-codec.ts'
import { type DataSource, readStored } from './data-source.ts'
import { blocksOf, type DataTables, NONE, STORED_RAW } from './layer-index.ts'

/** Number of unpacked fragment blocks that are kept: files of one directory often share one. */
const FRAGMENTS_KEPT = 16

/** Reads file contents back from a data file. It is synchronous, and holds a few blocks in memory. */
export class ContentReader {
  readonly #source: DataSource
  readonly #tables: DataTables
  readonly #form: BlockForm
  readonly #room: Uint8Array
  readonly #zeros: Uint8Array
  readonly #stored: Uint8Array
  readonly #fragments = new Map<number, Uint8Array>()

  constructor(source: DataSource, tables: DataTables, form: BlockForm) {
    this.#source = source
    this.#tables = tables
    this.#form = form
    this.#room = new Uint8Array(form.blockSize)
    this.#zeros = new Uint8Array(form.blockSize)
    this.#stored = new Uint8Array(form.blockSize)
  }

  /**
   * Bytes [from, to) of a content, in pieces of at most a block. A piece is valid until the next is asked for.
   * @throws RangeError that names the faulty block
   */
  *read(content: number, from = 0, to = this.#tables.contentSize[content]): Generator<Uint8Array> {
    const { blockSize } = this.#form
    const { contentSize, contentStart, contentFirstBlock, contentFragment, blockStored } = this.#tables
    const blocks = blocksOf(this.#tables, content, blockSize)
    const first = contentFirstBlock[content]
    let start = contentStart[content]
    for (let i = 0; i < blocks && i * blockSize < to; i++) {
      const stored = blockStored[first + i]
      if ((i + 1) * blockSize > from) {
        const length = Math.min(blockSize, contentSize[content] - i * blockSize)
        const raw =
          stored === 0
            ? this.#zeros.subarray(0, length)
            : this.#unpack(start, stored, `block ${i} of content ${content}`)
        if (raw.length !== length)
          throw new RangeError(`block ${i} of content ${content} has ${raw.length} bytes`)
        yield raw.subarray(Math.max(0, from - i * blockSize), Math.min(blockSize, to - i * blockSize))
      }
      start += stored & ~STORED_RAW
    }
    const tailStart = blocks * blockSize
    if (to <= tailStart || contentFragment[content] === NONE) return
    const offset = this.#tables.contentFragmentOffset[content]
    const fragment = this.fragment(contentFragment[content])
    if (offset + to - tailStart > fragment.length)
      throw new RangeError(`the tail of content ${content} lies outside its fragment`)
    yield fragment.subarray(offset + Math.max(0, from - tailStart), offset + to - tailStart)
  }

  /** A whole fragment block, unpacked. It is valid until another is asked for. @throws RangeError */
  fragment(fragment: number): Uint8Array {
    const kept = this.#fragments.get(fragment)
    if (kept !== undefined) return kept
    const { fragmentStart, fragmentStored, fragmentBytes } = this.#tables
    const stored = fragmentStored[fragment]
    if (stored === 0) return this.#zeros.subarray(0, fragmentBytes[fragment])
    const room = this.#roomForFragment()
    const raw = this.#unpack(fragmentStart[fragment], stored, `fragment ${fragment}`, room)
    if (raw.length !== fragmentBytes[fragment])
      throw new RangeError(`fragment ${fragment} has ${raw.length} bytes, not ${fragmentBytes[fragment]}`)
    this.#fragments.set(fragment, raw)
    return raw
  }

  /** The memory of the fragment that was unpacked first: new memory for each would start V8's collector often. */
  #roomForFragment(): Uint8Array {
    const { blockSize } = this.#form
    if (this.#fragments.size < FRAGMENTS_KEPT) return new Uint8Array(blockSize)
    const [[oldest, { buffer }]] = this.#fragments
    this.#fragments.delete(oldest)
    return new Uint8Array(buffer, 0, blockSize)
  }

  #unpack(start: number, stored: number, what: string, room = this.#room): Uint8Array {
    try {
      const bytes = readStored(this.#source, start, stored & ~STORED_RAW, this.#stored)
      return room.subarray(0, unpackBlock(bytes, stored, room, this.#form.compressor))
    } catch (error) {
      if (error instanceof StrataError) throw error
      throw new RangeError(`${what} at byte ${start} cannot be unpacked: ${(error as Error).message}`, {
        cause: error
      })
    }
  }
}

/** All pieces as one, each copied before the next is asked for. */
export const joinPieces = (pieces: Iterable<Uint8Array>): Buffer =>
  Buffer.concat(Array.from(pieces, piece => Buffer.from(piece)))
