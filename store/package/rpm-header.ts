/** Header structures of an .rpm, big endian (spec/sources.md#rpm; rpm's docs/manual/format.md). */
import { pathFromBuffer } from '../values/index.ts'
import type { PackageFile } from './package-file.ts'

const MAGIC = Buffer.from('8eade80100000000', 'hex')
const INTRO_BYTES = 16
const ENTRY_BYTES = 16
/** rpm's own limits are 64K entries and 256 MiB. */
const MOST_ENTRIES = 65_535
const LARGEST_DATA_BYTES = 1 << 28

const TYPE = { int8: 2, int16: 3, int32: 4, int64: 5, string: 6, binary: 7, stringArray: 8, i18nString: 9 }
const INTEGER_BYTES = new Map([
  [TYPE.int8, 1],
  [TYPE.int16, 2],
  [TYPE.int32, 4],
  [TYPE.int64, 8]
])
const STRING_TYPES = [TYPE.string, TYPE.stringArray, TYPE.i18nString]

interface IndexEntry {
  type: number
  offset: number
  count: number
}

export class RpmHeader {
  /** The whole header, as digests cover it. */
  readonly bytes: Buffer
  readonly #file: PackageFile
  readonly #what: string
  readonly #startInFile: number
  readonly #data: Buffer
  readonly #entries: ReadonlyMap<number, IndexEntry>

  /** @param what names the header in messages */
  constructor(file: PackageFile, what: string, startInFile: number, bytes: Buffer) {
    this.#file = file
    this.#what = what
    this.#startInFile = startInFile
    this.bytes = bytes
    const count = bytes.readUInt32BE(8)
    this.#data = bytes.subarray(INTRO_BYTES + count * ENTRY_BYTES)
    const entries = new Map<number, IndexEntry>()
    for (let i = 0; i < count; i++) {
      const at = INTRO_BYTES + i * ENTRY_BYTES
      const [tag, type, offset, values] = [0, 4, 8, 12].map(field => bytes.readUInt32BE(at + field))
      if (offset > this.#data.length || values > this.#data.length)
        this.refuse(`entry ${i} (tag ${tag}) points behind its data`, at)
      entries.set(tag, { type, offset, count: values })
    }
    this.#entries = entries
  }

  /** @throws StrataError SOURCE_INVALID */
  static async read(file: PackageFile, what: string, startInFile: number): Promise<RpmHeader> {
    const intro = await file.read(startInFile, INTRO_BYTES, what)
    if (!intro.subarray(0, 4).equals(MAGIC.subarray(0, 4)))
      file.refuse(what, startInFile, `magic ${intro.toString('hex', 0, 4)}, wanted 8eade801`)
    const [entries, dataBytes] = [intro.readUInt32BE(8), intro.readUInt32BE(12)]
    if (entries < 1 || entries > MOST_ENTRIES)
      file.refuse(what, startInFile + 8, `${entries} entries, wanted 1 to ${MOST_ENTRIES}`)
    if (dataBytes > LARGEST_DATA_BYTES)
      file.refuse(what, startInFile + 12, `${dataBytes} bytes of data, wanted at most ${LARGEST_DATA_BYTES}`)
    const bytes = await file.read(startInFile, INTRO_BYTES + entries * ENTRY_BYTES + dataBytes, what)
    return new RpmHeader(file, what, startInFile, bytes)
  }

  has(tag: number): boolean {
    return this.#entries.has(tag)
  }

  /** Latin1 strings of bytes; empty if the tag is absent. */
  strings(tag: number): string[] {
    const entry = this.#entries.get(tag)
    if (entry === undefined) return []
    if (!STRING_TYPES.includes(entry.type)) this.refuse(`tag ${tag} is of type ${entry.type}, wanted text`)
    const found: string[] = []
    for (let at = entry.offset; found.length < entry.count; ) {
      const end = this.#data.indexOf(0, at)
      if (end < 0) this.refuse(`tag ${tag}: a text does not end`)
      found.push(pathFromBuffer(this.#data.subarray(at, end)))
      at = end + 1
    }
    return found
  }

  /** The first text, in the language in which the package was written, as UTF-8. */
  text(tag: number): string | undefined {
    const [first] = this.strings(tag)
    return first === undefined ? undefined : Buffer.from(first, 'latin1').toString('utf8')
  }

  /** Empty if the tag is absent. */
  numbers(tag: number): number[] {
    const entry = this.#entries.get(tag)
    if (entry === undefined) return []
    const width = INTEGER_BYTES.get(entry.type)
    if (width === undefined) this.refuse(`tag ${tag} is of type ${entry.type}, wanted numbers`)
    if (entry.offset + entry.count * width > this.#data.length)
      this.refuse(`tag ${tag}: its numbers are cut off`)
    return Array.from({ length: entry.count }, (_, i) => this.#integer(tag, entry.offset + i * width, width))
  }

  /** @throws StrataError SOURCE_INVALID */
  refuse(fault: string, offset = 0): never {
    return this.#file.refuse(this.#what, this.#startInFile + offset, fault)
  }

  #integer(tag: number, offset: number, width: number): number {
    if (width < 8) return this.#data.readUIntBE(offset, width)
    const value = this.#data.readBigUInt64BE(offset)
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) this.refuse(`tag ${tag}: ${value} is not a size`)
    return Number(value)
  }
}
