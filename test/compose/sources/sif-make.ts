/** SIF files written by the published layout (github.com/apptainer/sif, pkg/sif/sif.go): packed structs, little endian. */

export interface SifObject {
  type: number
  data: Buffer
  /** Partitions. */
  fileSystem?: number
  partitionType?: number
  /** 1 by default. */
  group?: number
  name?: string
}

export const RECIPE = 0x4001
export const LABELS = 0x4003
export const PARTITION = 0x4004
export const JSON_DATA = 0x4006
export const SQUASHFS = 1
export const PRIMARY_SYSTEM = 2

const HEADER_BYTES = 128
const DESCRIPTOR_BYTES = 585
/** The layout of siftool: 48 descriptors from 4096 on, data from 32768 on, each object at a multiple of 4096. */
const DESCRIPTORS = 48
const TABLE_START = 4096
const DATA_START = 32768

export function makeSif(objects: SifObject[]): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header.write('#!/usr/bin/env run-singularity\n', 0, 'latin1')
  header.write('SIF_MAGIC\0', 32, 'latin1')
  header.write('01\0', 42, 'latin1')
  header.write('02\0', 45, 'latin1')
  const pieces: Buffer[] = []
  const table = Buffer.alloc(DESCRIPTORS * DESCRIPTOR_BYTES)
  let start = DATA_START
  objects.forEach(({ type, data, fileSystem = 0, partitionType = 0, group = 1, name }, i) => {
    const at = i * DESCRIPTOR_BYTES
    table.writeInt32LE(type, at)
    table[at + 4] = 1
    table.writeUInt32LE(i + 1, at + 5)
    table.writeUInt32LE(0xf0000000 + group, at + 9)
    for (const [field, value] of [start, data.length, data.length].entries())
      table.writeBigInt64LE(BigInt(value), at + 17 + 8 * field)
    table.write(name ?? `object ${i}`, at + 73, 'latin1')
    table.writeInt32LE(fileSystem, at + 201)
    table.writeInt32LE(partitionType, at + 205)
    table.write('02\0', at + 209, 'latin1')
    const padding = Buffer.alloc((4096 - (data.length % 4096)) % 4096)
    pieces.push(data, padding)
    start += data.length + padding.length
  })
  const numbers = [
    DESCRIPTORS - objects.length,
    DESCRIPTORS,
    TABLE_START,
    table.length,
    DATA_START,
    start - DATA_START
  ]
  for (const [field, value] of numbers.entries()) header.writeBigInt64LE(BigInt(value), 80 + 8 * field)
  const file = Buffer.alloc(DATA_START)
  header.copy(file)
  table.copy(file, TABLE_START)
  return Buffer.concat([file, ...pieces])
}
