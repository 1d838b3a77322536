import {
  DIRECTORY_ENTRY_BYTES,
  DIRECTORY_HEADER_BYTES,
  ENTRIES_PER_HEADER,
  METADATA_BYTES
} from './format-numbers.ts'
import type { DirectoryIndex, ListingPlace } from './inode.ts'
import { blockStart, type MetadataStream, offsetInBlock, pair } from './metadata-stream.ts'

const DELTA_LIMIT = 32767

/**
 * Writes listings of directories (spec/squashfs.md#listings). Entries follow headers. A header serves at most 256
 * entries whose inodes lie in one metadata block and have close numbers.
 *
 * Every 8 KiB of a listing a new header begins, to which an index entry points. So a look-up reads the index and 8
 * KiB, however long the directory is.
 */
export class ListingWriter {
  readonly #out: MetadataStream
  #start = 0
  #header = 0
  #headerBlock = -1
  #headerNumber = 0
  #headerEntries = 0
  #indexed = 0
  #index: DirectoryIndex[] = []

  constructor(out: MetadataStream) {
    this.#out = out
  }

  begin(): void {
    this.#start = this.#out.length
    this.#headerBlock = -1
    this.#headerEntries = 0
    this.#indexed = this.#start
    this.#index = []
  }

  /**
   * Adds the next entry in byte order. Its name is `lengthBytes` of `names` from `nameStart`.
   * @param position of its inode in the inode stream
   */
  add(
    names: Uint8Array,
    nameStart: number,
    lengthBytes: number,
    kind: number,
    number: number,
    position: number
  ): void {
    const out = this.#out
    out.reserve(DIRECTORY_HEADER_BYTES + DIRECTORY_ENTRY_BYTES + lengthBytes)
    const block = blockStart(position)
    const delta = number - this.#headerNumber
    const isIndexed = out.length - this.#indexed >= METADATA_BYTES
    const needsHeader =
      isIndexed ||
      block !== this.#headerBlock ||
      this.#headerEntries === ENTRIES_PER_HEADER ||
      delta > DELTA_LIMIT ||
      delta < -DELTA_LIMIT
    if (needsHeader) {
      if (isIndexed) this.#addIndex(names.subarray(nameStart, nameStart + lengthBytes))
      this.#beginHeader(block, number)
    }
    out.u32(pair(offsetInBlock(position), number - this.#headerNumber))
    out.u32(pair(kind, lengthBytes - 1))
    out.copy(names, nameStart, lengthBytes)
    this.#headerEntries++
  }

  end(): ListingPlace {
    this.#endHeader()
    return { position: this.#start, lengthBytes: this.#out.length - this.#start, index: this.#index }
  }

  #addIndex(name: Uint8Array): void {
    const position = this.#out.length
    this.#index.push({ offset: position - this.#start, blockStart: blockStart(position), name })
    this.#indexed = position
  }

  #endHeader(): void {
    if (this.#headerEntries > 0) this.#out.patchU32(this.#header, this.#headerEntries - 1)
  }

  #beginHeader(block: number, number: number): void {
    this.#endHeader()
    this.#header = this.#out.length
    this.#headerBlock = block
    this.#headerNumber = number
    this.#headerEntries = 0
    this.#out.u32(0) // entries - 1, filled in later
    this.#out.u32(block)
    this.#out.u32(number)
  }
}
