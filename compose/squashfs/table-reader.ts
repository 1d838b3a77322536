import { METADATA_BYTES } from './format-numbers.ts'
import type { MetadataReader } from './metadata-reader.ts'

/** Reads rows of a table by number (spec/squashfs.md#lookup-tables). */
export class TableReader {
  readonly #metadata: MetadataReader
  readonly #rowBytes: number
  readonly #what: string
  readonly #places: number[] = []
  readonly count: number

  /** @param places position in the image of the list of blocks */
  constructor(metadata: MetadataReader, places: number, count: number, rowBytes: number, what: string) {
    this.#metadata = metadata
    this.#rowBytes = rowBytes
    this.#what = what
    this.count = count
    const blocks = Math.ceil((count * rowBytes) / METADATA_BYTES)
    const bytes = metadata.source.read(places, 8 * blocks, what)
    for (let i = 0; i < blocks; i++) {
      const place = Number(bytes.readBigUInt64LE(8 * i))
      if (place >= places)
        metadata.source.refuse(what, places + 8 * i, `block ${i} at ${place} lies behind its place`)
      this.#places.push(place)
    }
  }

  row(number: number): Buffer {
    if (number >= this.count)
      this.#metadata.source.refuse(
        this.#what,
        this.#places[0] ?? 0,
        `row ${number} wanted, there are ${this.count}`
      )
    // The size of a block is a multiple of that of a row, so no row crosses blocks.
    const at = number * this.#rowBytes
    const place = this.#places[Math.floor(at / METADATA_BYTES)]
    return this.#metadata.cursor(place, at % METADATA_BYTES, place + 1, this.#what).read(this.#rowBytes)
  }
}
