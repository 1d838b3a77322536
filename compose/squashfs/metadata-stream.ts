import { StrataError } from '../../store/values/index.ts'
import {
  METADATA_BYTES,
  METADATA_HEADER_BYTES,
  METADATA_RAW,
  METADATA_STRIDE,
  TABLE_LIMIT
} from './format-numbers.ts'

const BLOCK_SHIFT = Math.log2(METADATA_BYTES)

/** Start, within its table, of the metadata block that holds a position of the stream: both are below 4 GiB. */
export const blockStart = (position: number): number => (position >>> BLOCK_SHIFT) * METADATA_STRIDE

// Not `%`: of doubles it is a call into the C library.
export const offsetInBlock = (position: number): number => position & (METADATA_BYTES - 1)

/** Inode reference, and the like for attributes: block start << 16 | offset. Below 2^48, so a number holds it. */
export const referenceOf = (position: number): number =>
  blockStart(position) * 65536 + offsetInBlock(position)

/** Two numbers of 16 bits, one after the other, as one of 32; of the second the lower bits count. */
export const pair = (first: number, second: number): number => first | (second << 16)

/**
 * Bytes that go into metadata blocks. All blocks are stored raw, so where a byte will lie is known when it is
 * written, and nothing has to be packed twice (packing them would save 0.5% of an image).
 */
export class MetadataStream {
  readonly #name: string
  readonly #limitBytes: number
  /** Bytes that can be written before the blocks exceed the limit. */
  readonly #limit: number
  #bytes: Buffer
  #view: DataView
  length = 0

  /** @param name for messages: `inode table` */
  constructor(name: string, capacity = 1 << 16, limitBytes = TABLE_LIMIT) {
    this.#name = name
    this.#limitBytes = limitBytes
    this.#limit = Math.floor(limitBytes / METADATA_STRIDE) * METADATA_BYTES
    this.#bytes = Buffer.allocUnsafeSlow(capacity)
    this.#view = new DataView(this.#bytes.buffer)
  }

  /** Make room for the writes that follow. @throws StrataError IMAGE_LIMIT when the table outgrows the format */
  reserve(lengthBytes: number): void {
    const wanted = this.length + lengthBytes
    if (wanted >= this.#limit) this.#refuse()
    this.#enlarge(wanted)
  }

  u16(value: number): void {
    this.#view.setUint16(this.length, value, true)
    this.length += 2
  }

  u32(value: number): void {
    this.#view.setUint32(this.length, value, true)
    this.length += 4
  }

  u64(value: number): void {
    this.#view.setUint32(this.length, value, true)
    this.#view.setUint32(this.length + 4, Math.floor(value / 2 ** 32), true)
    this.length += 8
  }

  /** `referenceOf` a position, as 64 bits. */
  reference(position: number): void {
    const start = blockStart(position)
    this.#view.setUint32(this.length, pair(offsetInBlock(position), start), true)
    this.#view.setUint32(this.length + 4, start >>> 16, true)
    this.length += 8
  }

  /** Four numbers of 32 bits: most of an inode is written so, and each call counts (`pair` joins two of 16). */
  u32s(first: number, second: number, third: number, fourth: number): void {
    const view = this.#view
    const at = this.length
    view.setUint32(at, first, true)
    view.setUint32(at + 4, second, true)
    view.setUint32(at + 8, third, true)
    view.setUint32(at + 12, fourth, true)
    this.length = at + 16
  }

  /** Short bytes of a pool. */
  copy(from: Uint8Array, start: number, lengthBytes: number): void {
    for (let i = 0; i < lengthBytes; i++) this.#bytes[this.length + i] = from[start + i]
    this.length += lengthBytes
  }

  bytes(from: Uint8Array): void {
    this.#bytes.set(from, this.length)
    this.length += from.length
  }

  /** Overwrite a number that was written before, such as a count. */
  patchU32(position: number, value: number): void {
    this.#view.setUint32(position, value, true)
  }

  /** The stream cut into raw metadata blocks, in the memory that it was in: it ends with this. */
  toBlocks(): Buffer {
    const blocks = Math.ceil(this.length / METADATA_BYTES)
    const lengthBytes = this.length + blocks * METADATA_HEADER_BYTES
    this.#enlarge(lengthBytes)
    // From the last, so that nothing is overwritten before it has moved.
    for (let block = blocks - 1; block >= 0; block--) {
      const from = block * METADATA_BYTES
      const end = Math.min(from + METADATA_BYTES, this.length)
      const to = block * METADATA_STRIDE
      this.#bytes.copyWithin(to + METADATA_HEADER_BYTES, from, end)
      this.#bytes.writeUInt16LE(METADATA_RAW | (end - from), to)
    }
    return this.#bytes.subarray(0, lengthBytes)
  }

  #enlarge(capacity: number): void {
    if (capacity <= this.#bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(capacity, 2 * this.#bytes.length))
    this.#bytes.copy(larger, 0, 0, this.length)
    this.#bytes = larger
    this.#view = new DataView(larger.buffer)
  }

  #refuse(): never {
    throw new StrataError('IMAGE_LIMIT', {
      message: `the ${this.#name} would exceed ${this.#limitBytes} bytes, the most that SquashFS can address`,
      facts: { table: this.#name },
      hint: 'build fewer modules into one image'
    })
  }
}
