/** A part list says of which parts a data file consists (spec/store-layout.md#data). */
import { createHash } from 'node:crypto'
import type { Digest } from '../values/index.ts'
import { type Columns, decodeColumns, encodeColumns } from './column-codec.ts'
import { HASH_BYTES } from './layer-index.ts'

const SCHEMA = {
  /** Bytes of each part. */
  partBytes: 'u32',
  /** SHA-256 of each part, 32 bytes each. */
  partHash: 'u8'
} as const

const MAGIC = 'STRATAPL'
const VERSION = 1
const HEADER_BYTES = 64
const EMPTY_BYTES = HEADER_BYTES + 32 + HASH_BYTES

export interface Part {
  /** Where it begins in the data file. */
  start: number
  lengthBytes: number
  sha256: Digest
}

export interface PartList {
  dataBytes: number
  /** Of the data file, which is all parts one after another. */
  dataSha256: Buffer
  parts: Part[]
}

export function encodePartList({ dataBytes, dataSha256, parts }: PartList): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header.write(MAGIC, 'latin1')
  header.writeUInt16LE(VERSION, 8)
  header.writeDoubleLE(dataBytes, 16)
  dataSha256.copy(header, 24)
  const columns: Columns<typeof SCHEMA> = {
    partBytes: Uint32Array.from(parts, ({ lengthBytes }) => lengthBytes),
    partHash: new Uint8Array(Buffer.concat(parts.map(({ sha256 }) => Buffer.from(sha256, 'hex'))))
  }
  const bytes = Buffer.concat([header, encodeColumns(SCHEMA, columns)])
  return Buffer.concat([bytes, createHash('sha256').update(bytes).digest()])
}

/** @param bytes of which columns are read in place: at a multiple of 8 of their buffer @throws RangeError */
export function decodePartList(bytes: Buffer): PartList {
  if (bytes.length < EMPTY_BYTES) throw new RangeError(`a part list of ${bytes.length} bytes is cut off`)
  if (bytes.toString('latin1', 0, 8) !== MAGIC) throw new RangeError('it does not begin like a part list')
  if (bytes.readUInt16LE(8) !== VERSION)
    throw new RangeError(`version ${bytes.readUInt16LE(8)} is not ${VERSION}`)
  const end = bytes.length - HASH_BYTES
  const hash = createHash('sha256').update(bytes.subarray(0, end)).digest()
  if (!hash.equals(bytes.subarray(end))) throw new RangeError('it does not match its hash')
  const dataBytes = bytes.readDoubleLE(16)
  const { partBytes, partHash } = decodeColumns(SCHEMA, bytes.subarray(HEADER_BYTES, end))
  if (partHash.length !== partBytes.length * HASH_BYTES) throw new RangeError('its columns differ in length')
  const parts: Part[] = []
  let start = 0
  for (let part = 0; part < partBytes.length; part++) {
    const lengthBytes = partBytes[part]
    if (lengthBytes === 0) throw new RangeError(`part ${part} is empty`)
    const sha256 = Buffer.from(partHash.subarray(part * HASH_BYTES, (part + 1) * HASH_BYTES)).toString('hex')
    parts.push({ start, lengthBytes, sha256: sha256 as Digest })
    start += lengthBytes
  }
  if (start !== dataBytes) throw new RangeError(`its parts have ${start} bytes, the data file ${dataBytes}`)
  return { dataBytes, dataSha256: Buffer.from(bytes.subarray(24, 24 + HASH_BYTES)), parts }
}
