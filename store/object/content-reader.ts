import { readSync } from 'node:fs'
import { type BlockForm, StrataError } from '../values/index.ts'
import { unpackBlock } from './block-codec.ts'
import { blocksOf, type DataTables, NONE, STORED_RAW } from './layer-index.ts'
import type { Part } from './part-list.ts'

/** Stored bytes in several files. */
export interface StoredBytes {
  /** Fills `room` with the bytes from `start` on. @throws RangeError if they end before */
  read(start: number, room: Uint8Array): void
}

/** A stretch of a data file within one part. */
export interface PartStretch {
  part: number
  /** First byte, in the data file. */
  start: number
  lengthBytes: number
}

/** An open part. Its bytes begin at `offset` of the file. */
export interface OpenPart {
  fd: number
  offset: number
}

/** Stored bytes in parts, each of which is a file (spec/object.md#parts). */
export interface PartedBytes extends StoredBytes {
  readonly lengthBytes: number
  /** The parts that hold a range. @throws RangeError if the bytes end before */
  stretches(start: number, lengthBytes: number): Iterable<PartStretch>
  /**
   * Opens a part, which the caller closes.
   * @throws StrataError OBJECT_CORRUPT if it is missing or has other bytes; ACCESS_DENIED
   */
  open(part: number): OpenPart
  /** Everything that another thread needs to read the same bytes. */
  readonly place: PartsPlace
}

export interface PartsPlace {
  storeRoot: string
  parts: CheckedPart[]
  dataBytes: number
  belief?: Belief
}

/** A part, and the file that had its hash when it was checked. */
export interface CheckedPart extends Part {
  identity?: string
}

/**
 * Which parts are not hashed when they are opened: those that were checked before, according to notes and own checks;
 * all of them, because what is made of their bytes is compared with a hash; or those alone that this process checked.
 */
export type Belief = 'notes' | 'all' | 'none'

export const isParted = (source: DataSource): source is PartedBytes =>
  typeof source === 'object' && 'stretches' in source

/** Place of the stored bytes: the parts of a data file, one open file such as an image, or memory. */
export type DataSource = StoredBytes | number | Uint8Array

/**
 * Stored bytes of a block.
 * @param room holds the result, unless the source is in memory
 * @throws RangeError if there are fewer
 */
export function readStored(
  source: DataSource,
  start: number,
  lengthBytes: number,
  room: Uint8Array
): Uint8Array {
  if (lengthBytes > room.length) throw new RangeError(`stored size ${lengthBytes} exceeds the block size`)
  if (source instanceof Uint8Array) {
    if (start + lengthBytes > source.length) throw new RangeError('the data ends before it')
    return source.subarray(start, start + lengthBytes)
  }
  const bytes = room.subarray(0, lengthBytes)
  if (typeof source === 'number') readFile(source, start, bytes)
  else source.read(start, bytes)
  return bytes
}

function readFile(fd: number, start: number, room: Uint8Array): void {
  for (let done = 0; done < room.length; ) {
    const count = readSync(fd, room, done, room.length - done, start + done)
    if (count === 0) throw new RangeError('the data file ends before it')
    done += count
  }
}

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

  /** A whole fragment block, unpacked. @throws RangeError */
  fragment(fragment: number): Uint8Array {
    const kept = this.#fragments.get(fragment)
    if (kept !== undefined) return kept
    const { fragmentStart, fragmentStored, fragmentBytes } = this.#tables
    const stored = fragmentStored[fragment]
    const raw =
      stored === 0
        ? new Uint8Array(fragmentBytes[fragment])
        : this.#unpack(fragmentStart[fragment], stored, `fragment ${fragment}`).slice()
    if (raw.length !== fragmentBytes[fragment])
      throw new RangeError(`fragment ${fragment} has ${raw.length} bytes, not ${fragmentBytes[fragment]}`)
    if (this.#fragments.size === FRAGMENTS_KEPT) this.#fragments.delete(this.#fragments.keys().next().value!)
    this.#fragments.set(fragment, raw)
    return raw
  }

  #unpack(start: number, stored: number, what: string): Uint8Array {
    try {
      const bytes = readStored(this.#source, start, stored & ~STORED_RAW, this.#stored)
      return this.#room.subarray(0, unpackBlock(bytes, stored, this.#room, this.#form.compressor))
    } catch (error) {
      if (error instanceof StrataError) throw error
      throw new RangeError(`${what} at byte ${start} cannot be unpacked: ${(error as Error).message}`, {
        cause: error
      })
    }
  }
}
