import { pathFromBuffer, WorkLimit } from '../../store/values/index.ts'
import { ATTRIBUTE_PREFIXES, ATTRIBUTE_SET_BYTES, OUT_OF_LINE } from './format-numbers.ts'
import type { MetadataCursor, MetadataReader } from './metadata-reader.ts'
import { TableReader } from './table-reader.ts'

/** XATTR_SIZE_MAX of Linux. */
const VALUE_LIMIT = 65536
/** Sets that are kept so that inodes may share them; all are let go beyond this. */
const KEPT_BYTES = 1 << 26
/** Limit for all decoded sets together, because sets of a kilobyte may refer to a value of 64 KiB a hundred times. */
const DECODED_BYTES = 1 << 30
/** Attributes that are handed out: of any image, and more for each inode that has some. */
const HANDED_OUT = 1_000_000
const HANDED_OUT_PER_INODE = 64

/** The attribute sets of an image (spec/squashfs.md#attributes). */
export class AttributeReader {
  readonly #metadata: MetadataReader
  readonly #sets: TableReader
  /** Start of the names and values in the image, and their end. */
  readonly #pairs: number
  readonly #end: number
  readonly #kept = new Map<number, Map<string, Buffer>>()
  #keptBytes = 0
  readonly #bytes: WorkLimit
  readonly #handedOut: WorkLimit

  /** @param table byte of the image at which the attribute table begins */
  constructor(metadata: MetadataReader, table: number) {
    this.#metadata = metadata
    const header = metadata.source.read(table, 16, 'attribute table')
    this.#pairs = Number(header.readBigUInt64LE(0))
    this.#end = table
    const count = header.readUInt32LE(8)
    this.#sets = new TableReader(metadata, table + 16, count, ATTRIBUTE_SET_BYTES, 'attribute sets')
    const refuse = (what: string) => () => metadata.source.tooMuch('attribute table', what)
    this.#bytes = new WorkLimit(DECODED_BYTES, refuse(`its sets unpack to more than ${DECODED_BYTES} bytes`))
    this.#handedOut = new WorkLimit(
      HANDED_OUT,
      refuse(`more than ${HANDED_OUT_PER_INODE} attributes for each inode, and ${HANDED_OUT} more`)
    )
  }

  /** The set of this number, by full name. @throws StrataError IMAGE_INVALID, LIMIT_EXCEEDED */
  read(number: number): Map<string, Buffer> {
    const set = this.#kept.get(number) ?? this.#keep(number)
    this.#handedOut.grant(HANDED_OUT_PER_INODE)
    this.#handedOut.spend(set.size)
    return new Map(set)
  }

  #keep(number: number): Map<string, Buffer> {
    const set = decodeSet(this.#metadata, this.#pairs, this.#end, this.#sets.row(number), this.#bytes)
    for (const [name, value] of set) this.#keptBytes += pairBytes(name, value)
    if (this.#keptBytes > KEPT_BYTES) {
      this.#kept.clear()
      this.#keptBytes = 0
    }
    this.#kept.set(number, set)
    return set
  }
}

/** In memory. */
const pairBytes = (name: string, value: Uint8Array): number => name.length + value.length + 200

/** @param set its row: reference, count, size */
function decodeSet(
  metadata: MetadataReader,
  pairs: number,
  end: number,
  set: Buffer,
  bytes: WorkLimit
): Map<string, Buffer> {
  const at = (reference: bigint) =>
    metadata.cursor(pairs + Number(reference >> 16n), Number(reference & 0xffffn), end, 'attribute table')
  const cursor = at(set.readBigUInt64LE(0))
  const found = new Map<string, Buffer>()
  for (let left = set.readUInt32LE(8); left > 0; left--) {
    const head = cursor.read(4)
    const type = head.readUInt16LE(0)
    const prefix = ATTRIBUTE_PREFIXES[type & 0xff]
    if (prefix === undefined || (type & ~(0xff | OUT_OF_LINE)) !== 0)
      cursor.refuse(`attribute type 0x${type.toString(16)}`)
    const name = prefix + pathFromBuffer(cursor.read(head.readUInt16LE(2)))
    let value = readValue(cursor)
    if (type & OUT_OF_LINE) {
      if (value.length !== 8) cursor.refuse(`a reference of ${value.length} bytes, wanted 8`)
      value = readValue(at(value.readBigUInt64LE(0)))
    }
    if (found.has(name)) cursor.refuse('a set has two attributes of one name')
    bytes.spend(pairBytes(name, value))
    found.set(name, value)
  }
  return found
}

function readValue(cursor: MetadataCursor): Buffer {
  const lengthBytes = cursor.read(4).readUInt32LE(0)
  if (lengthBytes > VALUE_LIMIT)
    cursor.refuse(`an attribute value of ${lengthBytes} bytes exceeds ${VALUE_LIMIT}`)
  return cursor.read(lengthBytes)
}
