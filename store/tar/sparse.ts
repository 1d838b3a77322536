import { checkSize, headerNumber } from './number.ts'
import type { SparseFields } from './pax-sparse.ts'
import { type TarPlace, tarInvalid } from './refuse-tar.ts'
import type { DataRun } from './tar-entry.ts'

/** Sparse members (spec/tar.md#sparse). Four formats say where the stored bytes belong; one check serves them all. */

// Old GNU sparse header, offsets in its block (GNU tar manual, "Storing Sparse Files").
const HEADER_RUNS = 386
const HEADER_RUN_COUNT = 4
const HEADER_EXTENDED = 482
const HEADER_REAL_SIZE = 483
// An extension block has 21 runs, and a flag for another block.
const EXTENSION_RUN_COUNT = 21
const EXTENSION_EXTENDED = 504
const NUMBER_WIDTH = 12

const NEWLINE = 0x0a
const ZERO = 0x30
const NINE = 0x39

/** Offsets and lengths in turn, unchecked; {@link checkRuns} makes runs of them. */
export type RunNumbers = number[]

export const oldGnuRealSize = (block: Buffer, at: number, place: TarPlace): number =>
  checkSize(headerNumber(block, at + HEADER_REAL_SIZE, NUMBER_WIDTH, 'real size', place), 'real size', place)

/** @returns true if an extension block follows */
export const readOldGnuHeader = (block: Buffer, at: number, numbers: RunNumbers, place: TarPlace): boolean =>
  readOldGnuRuns(block, at + HEADER_RUNS, HEADER_RUN_COUNT, at + HEADER_EXTENDED, numbers, place)

/** @returns true if another extension block follows */
export const readOldGnuExtension = (
  block: Buffer,
  at: number,
  numbers: RunNumbers,
  place: TarPlace
): boolean => readOldGnuRuns(block, at, EXTENSION_RUN_COUNT, at + EXTENSION_EXTENDED, numbers, place)

function readOldGnuRuns(
  block: Buffer,
  at: number,
  count: number,
  extendedAt: number,
  numbers: RunNumbers,
  place: TarPlace
): boolean {
  const isExtended = block[extendedAt] !== 0
  for (let index = 0; index < count; index++) {
    const run = at + index * 2 * NUMBER_WIDTH
    const isUnused = block[run + NUMBER_WIDTH] === 0
    if (isUnused && isExtended) throw tarInvalid(place, 'sparse map ends, but says that it goes on')
    if (isUnused) return false
    numbers.push(
      headerNumber(block, run, NUMBER_WIDTH, 'sparse offset', place),
      headerNumber(block, run + NUMBER_WIDTH, NUMBER_WIDTH, 'sparse length', place)
    )
  }
  return isExtended
}

/** Reads the map of version 1.0, decimal lines before the content: count, then offset and length in turn. */
export class SparseMapReader {
  readonly numbers: RunNumbers = []
  #count: number | undefined
  #value = 0
  #digits = 0

  /** Reads `length` bytes at `at`, a whole block. @returns true when the map is complete */
  read(block: Buffer, at: number, length: number, place: TarPlace): boolean {
    for (let index = at; index < at + length; index++) {
      const byte = block[index]
      if (this.#isComplete()) {
        if (byte !== 0) throw tarInvalid(place, 'sparse map is followed by other bytes in its last block')
      } else if (byte === NEWLINE && this.#digits > 0) {
        this.#endLine(place)
      } else if (byte >= ZERO && byte <= NINE) {
        this.#value = this.#value * 10 + (byte - ZERO)
        this.#digits++
      } else {
        throw tarInvalid(place, `sparse map holds byte ${byte}, wanted decimal numbers, one a line`)
      }
    }
    return this.#isComplete()
  }

  #isComplete(): boolean {
    return this.#count !== undefined && this.numbers.length === 2 * this.#count
  }

  #endLine(place: TarPlace): void {
    const value = checkSize(this.#value, 'sparse map number', place)
    if (this.#count === undefined) this.#count = value
    else this.numbers.push(value)
    this.#value = 0
    this.#digits = 0
  }
}

/** The decoded `GNU.sparse.*` records of a member. */
export interface PaxSparse {
  realSizeBytes: number
  /** Undefined for version 1.0, whose map stands before the content. */
  numbers: RunNumbers | undefined
}

/** @throws StrataError TAR_INVALID unless the records are those of exactly one known version */
export function paxSparse(fields: SparseFields, place: TarPlace): PaxSparse {
  const { major, minor, numbers, map, runCount } = fields
  const realSizeBytes = fields.realSizeBytes ?? fields.sizeBytes
  if (realSizeBytes === undefined)
    throw tarInvalid(place, 'sparse member without GNU.sparse.size or .realsize')
  if (fields.sizeBytes !== undefined && fields.sizeBytes !== realSizeBytes) {
    throw tarInvalid(place, 'GNU.sparse.size and GNU.sparse.realsize differ')
  }
  if (major === 1 && minor === 0) {
    if (numbers !== undefined || map !== undefined) {
      throw tarInvalid(place, 'sparse map of version 1.0 beside one of version 0')
    }
    return { realSizeBytes, numbers: undefined }
  }
  if ((major ?? 0) !== 0 || (minor ?? 0) > 1) {
    throw tarInvalid(place, `sparse format ${major}.${minor} is unknown, wanted 0.0, 0.1 or 1.0`)
  }
  if (numbers !== undefined && map !== undefined)
    throw tarInvalid(place, 'sparse maps of versions 0.0 and 0.1')
  const found = numbers ?? map ?? []
  if (runCount === undefined || found.length !== 2 * runCount) {
    throw tarInvalid(place, `GNU.sparse.numblocks is ${runCount}, the map holds ${found.length / 2} runs`)
  }
  return { realSizeBytes, numbers: found }
}

/**
 * Checks the numbers of a map and makes runs of them.
 * @param storedBytes bytes of content in the archive
 * @returns runs in ascending order, without the empty ones with which GNU tar marks a hole at the end
 * @throws StrataError TAR_INVALID if they overlap, are out of order or bounds, or hold another number of bytes
 */
export function checkRuns(
  numbers: RunNumbers,
  realSizeBytes: number,
  storedBytes: number,
  place: TarPlace
): DataRun[] {
  const runs: DataRun[] = []
  let end = 0
  let sum = 0
  for (let index = 0; index < numbers.length; index += 2) {
    const offset = numbers[index]
    const lengthBytes = numbers[index + 1]
    if (offset < end || lengthBytes < 0) {
      throw tarInvalid(
        place,
        `sparse map: run ${index / 2} at ${offset} overlaps or precedes the one before it`
      )
    }
    // Subtracting, not adding: two numbers just below 2^53 would add up to a rounded one.
    if (lengthBytes > realSizeBytes - offset) {
      throw tarInvalid(
        place,
        `sparse map: run ${index / 2} at ${offset} ends beyond the file's ${realSizeBytes} bytes`
      )
    }
    end = offset + lengthBytes
    sum += lengthBytes
    if (lengthBytes > 0) runs.push({ offset, lengthBytes })
  }
  if (sum !== storedBytes) {
    throw tarInvalid(place, `sparse map: the runs hold ${sum} bytes, the archive stores ${storedBytes}`)
  }
  return runs
}
