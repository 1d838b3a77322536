import type { Attributes } from '../../store/acl/index.ts'
import { latin1 } from '../../store/object/index.ts'

/**
 * Encodes an attribute set as one string of bytes (spec/sandbox.md#attribute-sets). For each attribute: length of the
 * name (u16 little endian), name, length of the value (u32), value; in byte order of the names. Sets are equal if
 * their bytes are.
 */
export function encodeAttributeSet(attributes: Attributes): string {
  let text = ''
  for (const name of [...attributes.keys()].sort()) {
    const value = attributes.get(name)!
    const lengths = Buffer.alloc(6)
    lengths.writeUInt16LE(name.length, 0)
    lengths.writeUInt32LE(value.length, 2)
    text += latin1(lengths.subarray(0, 2)) + name + latin1(lengths.subarray(2)) + latin1(value)
  }
  return text
}

/** @param bytes result of encodeAttributeSet; undefined is an empty set */
export function decodeAttributeSet(bytes: Uint8Array | undefined): Attributes {
  const attributes: Attributes = new Map()
  if (bytes === undefined) return attributes
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at < view.length; ) {
    const valueLengthAt = at + 2 + view.readUInt16LE(at)
    const valueAt = valueLengthAt + 4
    const end = valueAt + view.readUInt32LE(valueLengthAt)
    attributes.set(view.toString('latin1', at + 2, valueLengthAt), view.subarray(valueAt, end))
    at = end
  }
  return attributes
}
