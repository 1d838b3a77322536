import { pathFromBuffer } from '../../store/values/index.ts'
import { ATTRIBUTE_PREFIXES, OUT_OF_LINE } from './format-numbers.ts'
import type { MetadataCursor, MetadataReader } from './metadata-reader.ts'

/** XATTR_SIZE_MAX of Linux. */
const VALUE_LIMIT = 65536

/**
 * Reads an attribute set (spec/squashfs.md#attributes).
 * @param pairs start of the names and values in the image
 * @param end their end
 * @param set its row: reference, count, size
 */
export function readAttributes(
  metadata: MetadataReader,
  pairs: number,
  end: number,
  set: Buffer
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
