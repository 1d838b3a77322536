import type { Limits } from '../values/index.ts'
import type { Member } from './member.ts'
import type { PaxFields } from './pax-fields.ts'
import { limitExceeded, type TarPlace, tarInvalid } from './refuse-tar.ts'
import {
  checkRuns,
  oldGnuRealSize,
  paxSparse,
  type RunNumbers,
  readOldGnuExtension,
  readOldGnuHeader,
  SparseMapReader
} from './sparse.ts'
import { BLOCK_BYTES } from './ustar.ts'

/**
 * A sparse member while its map is read: from its header, from blocks behind it, or from the blocks before its content.
 */
export class SparseMember {
  /** True if the map goes on in the next block. */
  wantsBlock: boolean
  readonly #member: Member
  readonly #realSizeBytes: number
  readonly #limits: Limits
  readonly #place: TarPlace
  #numbers: RunNumbers = []
  #mapReader: SparseMapReader | undefined
  #mapBytes = 0

  /** @param block holds the member's header at `at` */
  constructor(member: Member, fields: PaxFields, block: Buffer, at: number, limits: Limits, place: TarPlace) {
    this.#member = member
    this.#limits = limits
    this.#place = place
    if (member.isOldSparse) {
      if (fields.sparse !== undefined) throw tarInvalid(place, 'sparse maps of both GNU tar and PAX')
      this.#realSizeBytes = oldGnuRealSize(block, at, place)
      this.wantsBlock = readOldGnuHeader(block, at, this.#numbers, place)
      return
    }
    const { kind } = member.entry
    if (kind !== 'file') throw tarInvalid(place, `sparse ${kind}, wanted a file`)
    const { realSizeBytes, numbers } = paxSparse(fields.sparse!, place)
    this.#realSizeBytes = realSizeBytes
    this.wantsBlock = numbers === undefined
    if (numbers === undefined) this.#mapReader = new SparseMapReader()
    else this.#numbers = numbers
  }

  /** Takes the next block of the map. */
  readBlock(block: Buffer, at: number): void {
    const place = this.#place
    this.#mapBytes += BLOCK_BYTES
    if (this.#mapBytes > this.#limits.paxBytes) {
      throw limitExceeded(place, `sparse map of more than ${this.#limits.paxBytes} bytes`, '--max-pax')
    }
    if (this.#mapReader === undefined) {
      this.wantsBlock = readOldGnuExtension(block, at, this.#numbers, place)
      return
    }
    const { storedBytes } = this.#member
    if (storedBytes < this.#mapBytes) {
      throw tarInvalid(place, `sparse map is longer than the ${storedBytes} bytes stored`)
    }
    this.wantsBlock = !this.#mapReader.read(block, at, BLOCK_BYTES, place)
  }

  /** @returns the member with its runs; the map no longer counts as content */
  finish(): Member {
    const { entry, storedBytes } = this.#member
    const isMapStored = this.#mapReader !== undefined
    const contentBytes = isMapStored ? storedBytes - this.#mapBytes : storedBytes
    entry.runs = checkRuns(
      this.#mapReader?.numbers ?? this.#numbers,
      this.#realSizeBytes,
      contentBytes,
      this.#place
    )
    entry.sizeBytes = this.#realSizeBytes
    return { ...this.#member, storedBytes: contentBytes }
  }
}
