import { METADATA_BYTES } from './format-numbers.ts'
import type { MetadataReader } from './metadata-reader.ts'

/** A table that is read by position (spec/squashfs.md#lookup-tables). */
export class TableReader {
  readonly #metadata: MetadataReader
  readonly #rowBytes: number
  readonly #what: string
  readonly #places: number[] = []
  readonly count: number

  /** @param places byte of the image at which the blocks' places stand */
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
    // Rows divide the size of a block, so none crosses into the next.
    const at = number * this.#rowBytes
    const place = this.#places[Math.floor(at / METADATA_BYTES)]
    return this.#metadata.cursor(place, at % METADATA_BYTES, place + 1, this.#what).read(this.#rowBytes)
  }
}
