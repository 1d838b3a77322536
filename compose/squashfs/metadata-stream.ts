import { StrataError } from '../../store/values/index.ts'
import {
  METADATA_BYTES,
  METADATA_HEADER_BYTES,
  METADATA_RAW,
  METADATA_STRIDE,
  TABLE_LIMIT
} from './format-numbers.ts'

const BLOCK_SHIFT = Math.log2(METADATA_BYTES)

/** Start, within its table, of the metadata block that holds a position of the stream. Both are below 4 GiB. */
export const blockStart = (position: number): number => (position >>> BLOCK_SHIFT) * METADATA_STRIDE

// Not `%`, which calls the C library for doubles.
export const offsetInBlock = (position: number): number => position & (METADATA_BYTES - 1)

/** An inode reference, also used for attributes: block start << 16 | offset. It is below 2^48, so a number holds it. */
export const referenceOf = (position: number): number =>
  blockStart(position) * 65536 + offsetInBlock(position)

/** Joins two numbers of 16 bits into one of 32 bits; of the second only the lower bits count. */
export const pair = (first: number, second: number): number => first | (second << 16)

/**
 * Bytes that become metadata blocks. All blocks are stored raw, so the final position of a byte is known when it is
 * written, and nothing is packed twice. Packing would make an image 0.5% smaller.
 */
export class MetadataStream {
  readonly #name: string
  readonly #limitBytes: number
  /** Number of bytes up to the limit. */
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

  /** Makes room for the following writes. @throws StrataError IMAGE_LIMIT if the table exceeds the format's limit */
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

  /** Writes `referenceOf` a position in 64 bits. */
  reference(position: number): void {
    const start = blockStart(position)
    this.#view.setUint32(this.length, pair(offsetInBlock(position), start), true)
    this.#view.setUint32(this.length + 4, start >>> 16, true)
    this.length += 8
  }

  /**
   * Writes four numbers of 32 bits. Most of an inode is written in this way, because each call costs time (`pair`
   * joins two of 16 bits).
   */
  u32s(first: number, second: number, third: number, fourth: number): void {
    const view = this.#view
    const at = this.length
    view.setUint32(at, first, true)
    view.setUint32(at + 4, second, true)
    view.setUint32(at + 8, third, true)
    view.setUint32(at + 12, fourth, true)
    this.length = at + 16
  }

  /** Copies a few bytes of a pool. */
  copy(from: Uint8Array, start: number, lengthBytes: number): void {
    for (let i = 0; i < lengthBytes; i++) this.#bytes[this.length + i] = from[start + i]
    this.length += lengthBytes
  }

  bytes(from: Uint8Array): void {
    this.#bytes.set(from, this.length)
    this.length += from.length
  }

  /** Overwrites an earlier number, such as a count. */
  patchU32(position: number, value: number): void {
    this.#view.setUint32(position, value, true)
  }

  /** Cuts the stream into raw metadata blocks, in the same memory, so the stream cannot be used afterwards. */
  toBlocks(): Buffer {
    const blocks = Math.ceil(this.length / METADATA_BYTES)
    const lengthBytes = this.length + blocks * METADATA_HEADER_BYTES
    this.#enlarge(lengthBytes)
    // From last to first, so that nothing is overwritten before it is moved.
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
      hint: 'put fewer modules into one image'
    })
  }
}
