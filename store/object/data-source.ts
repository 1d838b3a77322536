/** Where the stored bytes of contents lie, and how they are read. */
import { readFullySync } from '../disk/index.ts'
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
  if (typeof source !== 'number') source.read(start, bytes)
  else if (!readFullySync(source, bytes, start)) throw new RangeError('the data file ends before it')
  return bytes
}
