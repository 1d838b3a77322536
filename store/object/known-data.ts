/**
 * Takes file bytes as the DataWriter does, but packs nothing. It serves tarballs whose contents are already in a data
 * file. Contents get the same numbers as when they were packed, because these depend on the order of the bytes alone.
 */
import { createHash } from 'node:crypto'
import type { ContentSink, FinishedData } from './data-writer.ts'
import { u8Column } from './growing-column.ts'

/** A recipe's tables about its data file. */
export type KnownTables = Pick<FinishedData, 'tables' | 'dataBytes' | 'dataSha256'>

const ZEROS = Buffer.alloc(1 << 16)

export class KnownData implements ContentSink {
  readonly #known: KnownTables
  readonly #contentOfHash = new Map<string, number>()
  readonly #contentHash = u8Column()
  #hash = createHash('sha256')
  #size = 0
  #fits = true

  constructor(known: KnownTables) {
    this.#known = known
  }

  beginFile(): void {}

  write(bytes: Uint8Array): void {
    this.#hash.update(bytes)
    this.#size += bytes.length
  }

  writeZeros(lengthBytes: number): void {
    for (let left = lengthBytes; left > 0; left -= ZEROS.length) this.write(ZEROS.subarray(0, left))
  }

  endFile(): number {
    const hash = this.#hash.digest()
    const key = hash.toString('latin1')
    const sizeBytes = this.#size
    this.#hash = createHash('sha256')
    this.#size = 0
    const known = this.#contentOfHash.get(key)
    if (known !== undefined) return known
    const content = this.#contentOfHash.size
    this.#contentOfHash.set(key, content)
    this.#contentHash.append(hash)
    this.#fits &&= this.#known.tables.contentSize[content] === sizeBytes
    return content
  }

  async drain(): Promise<void> {}

  /** @throws RangeError if the contents are not those of the tables */
  async finish(): Promise<FinishedData> {
    const { contentSize } = this.#known.tables
    if (!this.#fits || this.#contentOfHash.size !== contentSize.length)
      throw new RangeError(
        `it has ${contentSize.length} contents, the tarball other ones, ${this.#contentOfHash.size}`
      )
    return { ...this.#known, contentHash: this.#contentHash.view() }
  }
}
