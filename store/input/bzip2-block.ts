import type { BitReader } from './bit-reader.ts'

/**
 * One block of a bzip2 stream (spec/tar.md#bzip2): Huffman codes of a move-to-front list of a Burrows-Wheeler transform
 * of run-length coded bytes.
 *
 * We have our own decoder because unbzip2-stream keeps a block's output as an array of numbers. For 100 MB of zeros, of
 * which one block holds 46 MB, it takes 1.7 GiB of memory; ours takes 90 MiB. It also fails with a TypeError on a file
 * that is cut off, and takes twice the time (100 MB of libraries: 15 s, ours 8 s, one core).
 */

/** A fault in a block; the caller adds the place. */
export class Bzip2Fault extends Error {}

export interface Bzip2Block {
  /** CRC-32 of the block's output, as stored. */
  crc: number
  /** The Burrows-Wheeler walk: high 24 bits the next position, low 8 bits a byte. */
  walk: Uint32Array
  /** Positions of `walk` in use. */
  length: number
  /** Position at which the walk starts. */
  origin: number
}

/** Symbols that share one choice of table. */
const GROUP_SYMBOLS = 50
const MAX_CODE_BITS = 20
const RUN_A = 0
const RUN_B = 1
/** Limit for the digits of a run, so that its length fits 32 bits: blocks have at most 900,000 bytes. */
const MAX_RUN_DIGIT = 1 << 21

/** @param walk at least `capacity` long; it is overwritten and returned */
export function readBzip2Block(bits: BitReader, walk: Uint32Array, capacity: number): Bzip2Block {
  const crc = bits.read32()
  if (bits.read(1) === 1) throw new Bzip2Fault('randomised block, which bzip2 has not written since 1997')
  const origin = bits.read(24)
  const symbols = readSymbols(bits)
  const tableCount = bits.read(3)
  if (tableCount < 2 || tableCount > 6) throw new Bzip2Fault(`${tableCount} Huffman tables, wanted 2 to 6`)
  const selectors = readSelectors(bits, tableCount)
  const tables = Array.from({ length: tableCount }, () => readTable(bits, symbols.length + 2))
  const length = readWalk(bits, symbols, selectors, tables, walk, capacity)
  if (origin >= length) throw new Bzip2Fault(`starts at position ${origin} of ${length}`)
  linkWalk(walk, length)
  return { crc, walk, length, origin }
}

function readSymbols(bits: BitReader): Uint8Array {
  const used: number[] = []
  const rows = bits.read(16)
  for (let row = 0; row < 16; row++) {
    if ((rows & (0x8000 >>> row)) === 0) continue
    const columns = bits.read(16)
    for (let column = 0; column < 16; column++) {
      if ((columns & (0x8000 >>> column)) !== 0) used.push(row * 16 + column)
    }
  }
  if (used.length === 0) throw new Bzip2Fault('block without symbols')
  return Uint8Array.from(used)
}

function readSelectors(bits: BitReader, tableCount: number): Uint8Array {
  const count = bits.read(15)
  if (count === 0) throw new Bzip2Fault('block without table selectors')
  const selectors = new Uint8Array(count)
  const recent = Uint8Array.from({ length: tableCount }, (_, index) => index)
  for (let index = 0; index < count; index++) {
    let place = 0
    while (bits.read(1) === 1) {
      place++
      if (place >= tableCount) throw new Bzip2Fault('selector of a table that is not there')
    }
    const table = recent[place]
    recent.copyWithin(1, 0, place)
    recent[0] = table
    selectors[index] = table
  }
  return selectors
}

/** A canonical Huffman code. */
interface HuffmanTable {
  minBits: number
  maxBits: number
  /** For each length: the first 20-bit window beyond the codes of this length. */
  limits: Uint32Array
  /** For each length: number to add to a code to get its place in `symbols`. */
  bases: Int32Array
  symbols: Uint16Array
}

function readTable(bits: BitReader, symbolCount: number): HuffmanTable {
  const lengths = new Uint8Array(symbolCount)
  let length = bits.read(5)
  for (let symbol = 0; symbol < symbolCount; symbol++) {
    for (;;) {
      if (length < 1 || length > MAX_CODE_BITS) throw new Bzip2Fault(`Huffman code of ${length} bits`)
      if (bits.read(1) === 0) break
      length += bits.read(1) === 0 ? 1 : -1
    }
    lengths[symbol] = length
  }
  return canonicalTable(lengths)
}

function canonicalTable(lengths: Uint8Array): HuffmanTable {
  const counts = new Uint32Array(MAX_CODE_BITS + 1)
  for (const length of lengths) counts[length]++
  const symbols = new Uint16Array(lengths.length)
  const limits = new Uint32Array(MAX_CODE_BITS + 1)
  const bases = new Int32Array(MAX_CODE_BITS + 1)
  let code = 0
  let placed = 0
  for (let bits = 1; bits <= MAX_CODE_BITS; bits++) {
    bases[bits] = placed - code
    for (let symbol = 0; symbol < lengths.length; symbol++)
      if (lengths[symbol] === bits) symbols[placed++] = symbol
    code += counts[bits]
    if (code > 1 << bits) throw new Bzip2Fault('more Huffman codes than their lengths allow')
    limits[bits] = code << (MAX_CODE_BITS - bits)
    code <<= 1
  }
  return { minBits: Math.min(...lengths), maxBits: Math.max(...lengths), limits, bases, symbols }
}

function readSymbol(bits: BitReader, { minBits, maxBits, limits, bases, symbols }: HuffmanTable): number {
  const window = bits.peek20()
  let length = minBits
  while (window >= limits[length]) {
    length++
    if (length > maxBits) throw new Bzip2Fault('unassigned Huffman code')
  }
  bits.skip(length)
  return symbols[(window >>> (MAX_CODE_BITS - length)) + bases[length]]
}

/** Undoes the move-to-front and the run lengths. @returns the number of bytes, each alone in an element of `walk` */
function readWalk(
  bits: BitReader,
  used: Uint8Array,
  selectors: Uint8Array,
  tables: HuffmanTable[],
  walk: Uint32Array,
  capacity: number
): number {
  const recent = Uint8Array.from(used)
  const endOfBlock = used.length + 1
  let length = 0
  let group = 0
  let leftInGroup = 0
  let table = tables[0]
  let run = 0
  let runDigit = 1
  for (;;) {
    if (leftInGroup === 0) {
      if (group >= selectors.length) throw new Bzip2Fault('more symbols than table selectors')
      table = tables[selectors[group++]]
      leftInGroup = GROUP_SYMBOLS
    }
    leftInGroup--
    const symbol = readSymbol(bits, table)
    if (symbol === RUN_A || symbol === RUN_B) {
      if (runDigit > MAX_RUN_DIGIT) throw new Bzip2Fault('run longer than a block')
      run += symbol === RUN_A ? runDigit : 2 * runDigit
      runDigit *= 2
      continue
    }
    if (run > 0) {
      if (run > capacity - length) throw new Bzip2Fault(`block of more than ${capacity} bytes`)
      walk.fill(recent[0], length, length + run)
      length += run
      run = 0
      runDigit = 1
    }
    if (symbol === endOfBlock) return length
    if (length >= capacity) throw new Bzip2Fault(`block of more than ${capacity} bytes`)
    const byte = recent[symbol - 1]
    // A loop, because places are small: a call of copyWithin would cost more than the few moves.
    for (let place = symbol - 1; place > 0; place--) recent[place] = recent[place - 1]
    recent[0] = byte
    walk[length++] = byte
  }
}

/** Inverts the Burrows-Wheeler transform: each element gets the position that follows it. */
function linkWalk(walk: Uint32Array, length: number): void {
  const starts = new Uint32Array(257)
  for (let index = 0; index < length; index++) starts[(walk[index] & 0xff) + 1]++
  for (let byte = 0; byte < 256; byte++) starts[byte + 1] += starts[byte]
  for (let index = 0; index < length; index++) {
    const byte = walk[index] & 0xff
    walk[starts[byte]++] |= index << 8
  }
}
