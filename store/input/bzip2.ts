import { BitReader, OutOfBits } from './bit-reader.ts'
import type { ByteReader } from './byte-reader.ts'
import { type Bzip2Block, Bzip2Fault, readBzip2Block } from './bzip2-block.ts'
import { type StreamPlace, streamCorrupt, streamTruncated, trailingBytes } from './refuse-stream.ts'

const OUTPUT_BYTES = 1 << 18
/** bzip2's block size is 1 to 9 times this number. */
const BLOCK_STEP_BYTES = 100_000
/** Compressed bytes to collect before a block is decoded. bzip2 itself never writes a longer block. */
const ENOUGH_BYTES = 1_000_000
const MAGIC_STREAM = 0x425a68 // "BZh"
const MAGIC_BLOCK = [0x314159, 0x265359] // pi
const MAGIC_END = [0x177245, 0x385090] // square root of pi

// CRC-32 of bzip2: polynomial 0x04c11db7, high bit first.
const CRC_TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24
  for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1
  return crc
})

/** Decodes all streams of a bzip2 file. Bytes behind the last stream are refused. */
export async function* unbzip2(
  reader: ByteReader,
  place: StreamPlace
): AsyncGenerator<Uint8Array, void, void> {
  const decoder = new Bzip2Decoder()
  let held: Buffer = Buffer.alloc(0)
  let wanted = ENOUGH_BYTES
  let isAtEnd = false
  for (;;) {
    while (!isAtEnd && held.length < wanted) {
      const chunk = await reader.next()
      if (chunk === undefined) isAtEnd = true
      else held = Buffer.concat([held, chunk])
    }
    if (held.length === 0 && decoder.isBetweenStreams) return
    const offset = reader.offset - held.length
    const unit = readUnit(decoder, held, isAtEnd, offset, place)
    if (unit === undefined) {
      wanted = held.length * 2
      continue
    }
    wanted = ENOUGH_BYTES
    if (unit.block !== undefined) yield* checkedOutput(decoder, unit.block, offset, place)
    held = held.subarray(unit.takenBytes)
  }
}

interface Unit {
  block: Bzip2Block | undefined
  /** Whole bytes that are used up; the next unit may start within the byte that follows. */
  takenBytes: number
}

/** @returns undefined if more bytes are needed and may come */
function readUnit(
  decoder: Bzip2Decoder,
  held: Buffer,
  isAtEnd: boolean,
  offset: number,
  place: StreamPlace
): Unit | undefined {
  try {
    return decoder.read(held)
  } catch (cause) {
    if (cause instanceof OutOfBits && !isAtEnd) return undefined
    if (cause instanceof OutOfBits) throw streamTruncated(place, offset + held.length)
    if (!(cause instanceof Bzip2Fault)) throw cause
    if (decoder.isBetweenStreams && offset > 0) throw trailingBytes(place, offset)
    throw streamCorrupt(place, offset, cause.message, cause)
  }
}

function* checkedOutput(decoder: Bzip2Decoder, block: Bzip2Block, offset: number, place: StreamPlace) {
  try {
    yield* decoder.output(block)
  } catch (cause) {
    throw cause instanceof Bzip2Fault ? streamCorrupt(place, offset, cause.message, cause) : cause
  }
}

class Bzip2Decoder {
  /** Block size of the current stream, 0 outside of one. */
  #capacity = 0
  #streamCrc = 0
  /** Bits of the first byte that belong to the unit before. */
  #usedBits = 0
  readonly #walk = new Uint32Array(9 * BLOCK_STEP_BYTES)

  get isBetweenStreams(): boolean {
    return this.#capacity === 0
  }

  /**
   * Reads a stream's header with its first block, or a further block, or a stream's end. Changes nothing if it throws.
   * @throws OutOfBits, Bzip2Fault
   */
  read(bytes: Uint8Array): Unit {
    const bits = new BitReader(bytes)
    if (this.#usedBits > 0) bits.read(this.#usedBits)
    const capacity = this.isBetweenStreams ? readStreamHeader(bits) : this.#capacity
    const magic = [bits.read(24), bits.read(24)]
    if (isMagic(magic, MAGIC_BLOCK)) {
      const block = readBzip2Block(bits, this.#walk, capacity)
      if (this.isBetweenStreams) this.#streamCrc = 0
      this.#capacity = capacity
      this.#streamCrc = ((this.#streamCrc << 1) | (this.#streamCrc >>> 31)) ^ block.crc
      this.#usedBits = bits.usedBits
      return { block, takenBytes: bits.wholeBytes }
    }
    if (!isMagic(magic, MAGIC_END)) throw new Bzip2Fault('neither a block nor the end of the stream')
    const crc = bits.read32()
    const expected = this.isBetweenStreams ? 0 : this.#streamCrc >>> 0
    if (crc !== expected) throw new Bzip2Fault('checksum of the stream does not match')
    bits.alignToByte()
    this.#capacity = 0
    this.#usedBits = 0
    return { block: undefined, takenBytes: bits.wholeBytes }
  }

  /** Undoes the first run-length code: four equal bytes are followed by the number of further ones. */
  *output({ crc: storedCrc, walk, length, origin }: Bzip2Block): Generator<Buffer, void, void> {
    let output = Buffer.allocUnsafe(OUTPUT_BYTES)
    let filled = 0
    let crc = -1
    let position = walk[origin] >>> 8
    let previous = -1
    let repeats = 0
    for (let index = 0; index < length; index++) {
      const step = walk[position]
      const byte = step & 0xff
      position = step >>> 8
      if (repeats === 4) {
        if (filled + byte > OUTPUT_BYTES) {
          yield output.subarray(0, filled)
          output = Buffer.allocUnsafe(OUTPUT_BYTES)
          filled = 0
        }
        for (let more = 0; more < byte; more++) crc = (crc << 8) ^ CRC_TABLE[(crc >>> 24) ^ previous]
        output.fill(previous, filled, filled + byte)
        filled += byte
        repeats = 0
        previous = -1
        continue
      }
      repeats = byte === previous ? repeats + 1 : 1
      previous = byte
      crc = (crc << 8) ^ CRC_TABLE[(crc >>> 24) ^ byte]
      if (filled === OUTPUT_BYTES) {
        yield output
        output = Buffer.allocUnsafe(OUTPUT_BYTES)
        filled = 0
      }
      output[filled++] = byte
    }
    if (filled > 0) yield output.subarray(0, filled)
    if (~crc >>> 0 !== storedCrc) throw new Bzip2Fault('checksum of a block does not match')
  }
}

function readStreamHeader(bits: BitReader): number {
  const magic = bits.read(24)
  const level = bits.read(8) - 0x30
  if (magic !== MAGIC_STREAM || level < 1 || level > 9) throw new Bzip2Fault('no bzip2 stream')
  return level * BLOCK_STEP_BYTES
}

const isMagic = (found: number[], wanted: number[]): boolean =>
  found[0] === wanted[0] && found[1] === wanted[1]
