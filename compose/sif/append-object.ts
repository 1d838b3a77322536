/** Adds an object behind all others, as the library of Apptainer does. */
import { StrataError } from '../../store/values/index.ts'
import { DESCRIPTOR_BYTES, GROUP_MASK, HEADER } from './format-numbers.ts'
import type { SifFile } from './sif-header.ts'
import { encodeDescriptor } from './sif-layout.ts'

export interface NewObject {
  type: number
  name: string
  data: Buffer
  extra?: Buffer
  /** The group that it is about. It belongs to none itself. */
  linkedGroup: number
}

/** In this order, each on the disk before the next: until its descriptor is there, nobody sees the object. */
export interface AppendedObject {
  id: number
  writes: { position: number; bytes: Buffer }[]
}

/** @throws StrataError IMAGE_INVALID if no descriptor is free, or the header is about another file */
export function appendedObject(
  { objects, table }: SifFile,
  header: Buffer,
  { path, sizeBytes }: { path: string; sizeBytes: number },
  { type, name, data, extra, linkedGroup }: NewObject
): AppendedObject {
  const refuse = (fault: string): never => {
    throw new StrataError('IMAGE_INVALID', { message: `${path}: ${fault}`, facts: { image: path } })
  }
  const taken = new Set(objects.map(({ index }) => index))
  let index = 0
  while (taken.has(index)) index++
  if (index >= table.count)
    refuse(`all ${table.count} descriptors are in use, so it has no room for another object`)
  const [dataStart, dataBytes] = [
    Number(header.readBigInt64LE(HEADER.data)),
    Number(header.readBigInt64LE(HEADER.data + 8))
  ]
  const before = dataStart + dataBytes
  if (dataStart < 0 || dataBytes < 0 || before > sizeBytes)
    refuse(
      `SIF header at 0x${HEADER.data.toString(16)}: ${dataBytes} bytes of data from ${dataStart}, but the file ends at ${sizeBytes}`
    )
  const start = Math.max(before, ...objects.map(({ startInFile, lengthBytes }) => startInFile + lengthBytes))
  const ids = new Set(objects.map(({ id }) => id))
  const id = ids.has(index + 1) ? Math.max(...ids) + 1 : index + 1
  const descriptor = encodeDescriptor(id, {
    ...{ type, name, start, lengthBytes: data.length, padding: start - before },
    ...{ group: GROUP_MASK, link: linkedGroup, ...(extra && { extra }) }
  })
  const changed = Buffer.from(header)
  const free = header.readBigInt64LE(HEADER.free)
  changed.writeBigInt64LE(free > 0n ? free - 1n : 0n, HEADER.free)
  changed.writeBigInt64LE(BigInt(start + data.length - dataStart), HEADER.data + 8)
  return {
    id,
    writes: [
      { position: start, bytes: data },
      { position: table.start + index * DESCRIPTOR_BYTES, bytes: descriptor },
      { position: 0, bytes: changed }
    ]
  }
}
