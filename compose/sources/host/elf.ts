/** Reads those parts of a program or library that the dynamic loader reads (elf(5), System V ABI). */
import { fstatSync, readSync } from 'node:fs'
import { type PathBytes, pathFromBuffer } from '../../../store/values/index.ts'

const MAGIC = Buffer.from('7f454c46', 'hex')
const SEGMENT = { load: 1, dynamic: 2, interpreter: 3 }
const TAG = { end: 0, needed: 1, stringTable: 5, soname: 14, rpath: 15, runpath: 29, flags1: 0x6ffffffb }
const NO_DEFAULT_LIBRARIES = 0x800
/** Far more than any linker writes. */
const MOST_SEGMENTS = 4096
const LARGEST_PIECE_BYTES = 1 << 20
const LONGEST_STRING_BYTES = 4096

export interface Elf {
  /** 32 or 64. */
  bits: number
  isLittleEndian: boolean
  /** EM_ number of the processor. */
  machine: number
  interpreter?: PathBytes
  needed: PathBytes[]
  soname?: PathBytes
  rpath?: PathBytes
  runpath?: PathBytes
  /** True if the loader must not search default folders for libraries of this file. */
  noDefaultLibraries: boolean
}

/** Libraries only work with programs of the same kind. */
export const isSameKind = (a: Elf, b: Elf): boolean =>
  a.bits === b.bits && a.isLittleEndian === b.isLittleEndian && a.machine === b.machine

/**
 * @param fd open file; stays open
 * @returns undefined for a file of another format
 * @throws RangeError for a damaged file
 */
export function readElf(fd: number): Elf | undefined {
  const sizeBytes = fstatSync(fd).size
  if (sizeBytes < 64) return undefined
  const ident = readAt(fd, 0, 16)
  if (!ident.subarray(0, 4).equals(MAGIC)) return undefined
  if (![1, 2].includes(ident[4]) || ![1, 2].includes(ident[5]))
    throw new RangeError(`ELF class ${ident[4]}, byte order ${ident[5]}`)
  return new ElfReader(fd, ident[4] === 2, ident[5] === 1).read()
}

interface Segment {
  type: number
  offset: number
  address: number
  lengthBytes: number
}

class ElfReader {
  readonly #fd: number
  readonly #is64: boolean
  readonly #isLittle: boolean

  constructor(fd: number, is64: boolean, isLittle: boolean) {
    this.#fd = fd
    this.#is64 = is64
    this.#isLittle = isLittle
  }

  read(): Elf {
    const header = readAt(this.#fd, 0, this.#is64 ? 64 : 52)
    const segments = this.#segments(header)
    const interpreter = segments.find(({ type }) => type === SEGMENT.interpreter)
    const dynamic = segments.find(({ type }) => type === SEGMENT.dynamic)
    return {
      bits: this.#is64 ? 64 : 32,
      isLittleEndian: this.#isLittle,
      machine: this.#number(header, 18, 2),
      ...(interpreter && { interpreter: this.#string(interpreter.offset) }),
      ...this.#dynamic(dynamic, segments)
    }
  }

  #segments(header: Buffer): Segment[] {
    const start = this.#word(header, this.#is64 ? 32 : 28)
    const size = this.#number(header, this.#is64 ? 54 : 42, 2)
    const count = this.#number(header, this.#is64 ? 56 : 44, 2)
    if (count === 0) return []
    if (count > MOST_SEGMENTS || size < (this.#is64 ? 56 : 32))
      throw new RangeError(`${count} ELF program headers of ${size} bytes`)
    const table = readAt(this.#fd, start, count * size)
    return Array.from({ length: count }, (_, i) => {
      const row = table.subarray(i * size, (i + 1) * size)
      const [offset, address, lengthBytes] = this.#is64 ? [8, 16, 32] : [4, 8, 16]
      return {
        type: this.#number(row, 0, 4),
        offset: this.#word(row, offset),
        address: this.#word(row, address),
        lengthBytes: this.#word(row, lengthBytes)
      }
    })
  }

  #dynamic(dynamic: Segment | undefined, segments: Segment[]) {
    const values = new Map<number, number[]>()
    for (const [tag, value] of dynamic === undefined ? [] : this.#entries(dynamic))
      values.set(tag, [...(values.get(tag) ?? []), value])
    const table = values.get(TAG.stringTable)?.[0]
    const strings = table === undefined ? undefined : fileOffset(table, segments)
    const textsOf = (tag: number): PathBytes[] =>
      (values.get(tag) ?? []).map(offset => {
        if (strings === undefined) throw new RangeError('the ELF dynamic section has no string table')
        return this.#string(strings + offset)
      })
    const [[soname], [rpath], [runpath]] = [textsOf(TAG.soname), textsOf(TAG.rpath), textsOf(TAG.runpath)]
    return {
      needed: textsOf(TAG.needed),
      ...(soname !== undefined && { soname }),
      ...(rpath !== undefined && { rpath }),
      ...(runpath !== undefined && { runpath }),
      noDefaultLibraries: ((values.get(TAG.flags1)?.[0] ?? 0) & NO_DEFAULT_LIBRARIES) !== 0
    }
  }

  *#entries({ offset, lengthBytes }: Segment): Generator<[tag: number, value: number]> {
    if (lengthBytes > LARGEST_PIECE_BYTES)
      throw new RangeError(`an ELF dynamic section of ${lengthBytes} bytes`)
    const bytes = readAt(this.#fd, offset, lengthBytes)
    const width = this.#is64 ? 8 : 4
    for (let at = 0; at + 2 * width <= bytes.length; at += 2 * width) {
      const tag = this.#word(bytes, at)
      if (tag === TAG.end) return
      yield [tag, this.#word(bytes, at + width)]
    }
  }

  #string(offset: number): PathBytes {
    if (!Number.isSafeInteger(offset)) throw new RangeError(`a text of an ELF file begins at byte ${offset}`)
    const bytes = Buffer.alloc(LONGEST_STRING_BYTES)
    const end = bytes.subarray(0, readSync(this.#fd, bytes, 0, bytes.length, offset)).indexOf(0)
    if (end < 0) throw new RangeError(`a text at byte ${offset} of an ELF file does not end`)
    return pathFromBuffer(bytes.subarray(0, end))
  }

  #word(bytes: Buffer, offset: number): number {
    return this.#number(bytes, offset, this.#is64 ? 8 : 4)
  }

  /** Inexact above 2^53, where files end earlier. */
  #number(bytes: Buffer, offset: number, width: number): number {
    if (width < 8) return this.#isLittle ? bytes.readUIntLE(offset, width) : bytes.readUIntBE(offset, width)
    return Number(this.#isLittle ? bytes.readBigUInt64LE(offset) : bytes.readBigUInt64BE(offset))
  }
}

/** The position in the file of an address in memory, by the segment that is loaded there. */
function fileOffset(address: number, segments: Segment[]): number {
  const segment = segments.find(
    ({ type, address: start, lengthBytes }) =>
      type === SEGMENT.load && address >= start && address < start + lengthBytes
  )
  if (segment === undefined) throw new RangeError(`address ${address} is in no segment of the ELF file`)
  return segment.offset + address - segment.address
}

function readAt(fd: number, position: number, lengthBytes: number): Buffer {
  const bytes = Buffer.alloc(lengthBytes)
  if (!Number.isSafeInteger(position) || readSync(fd, bytes, 0, lengthBytes, position) < lengthBytes)
    throw new RangeError(`the ELF file ends before byte ${position + lengthBytes}`)
  return bytes
}
