import { truncateSync } from 'node:fs'
import { makeSif, PARTITION, PRIMARY_SYSTEM, RECIPE, SQUASHFS } from '../../compose/sources/sif-make.ts'
import type { Area, RejectCase } from '../case.ts'
import { modelImage } from '../image-bytes.ts'
import { useImage } from './images.ts'

/** A definition (object 1, descriptor 0) and a system partition (object 2, descriptor 1). */
const TABLE = 4096
const DESCRIPTOR_BYTES = 585
const FIELD = { type: 0, used: 4, id: 5, start: 17, length: 25, partition: 205 }
const HEADER = { total: 88, table: 96 }

/** Changes the file in place, or gives another one. */
type Change = (bytes: Buffer) => Buffer | undefined
type SifRow = [name: string, change: Change]

const i64 =
  (position: number, value: number | bigint): Change =>
  bytes => {
    bytes.writeBigInt64LE(BigInt(value), position)
    return undefined
  }

const descriptor = (index: number, field: keyof typeof FIELD): number =>
  TABLE + index * DESCRIPTOR_BYTES + FIELD[field]

const place =
  (index: number, start: number | bigint, length: number | bigint): Change =>
  bytes => {
    i64(descriptor(index, 'start'), start)(bytes)
    return i64(descriptor(index, 'length'), length)(bytes)
  }

const ROWS: SifRow[] = [
  ['no descriptors', i64(HEADER.total, 0)],
  ['65,537 descriptors', i64(HEADER.total, 65_537)],
  ['more descriptors than a number can count', i64(HEADER.total, 2n ** 63n - 1n)],
  ['a negative number of descriptors', i64(HEADER.total, -1)],
  ['descriptors in the header', i64(HEADER.table, 64)],
  ['descriptors behind the end of the file', i64(HEADER.table, 1 << 30)],
  ['descriptors at a negative place', i64(HEADER.table, -TABLE)],
  ['descriptors at the start of the partition', i64(HEADER.table, 36_864)],
  ['a partition that begins in the header', place(1, 0, 200)],
  ['a partition that begins in the descriptors', place(1, TABLE, 8192)],
  ['a partition that ends behind the file', place(1, 36_864, 1 << 30)],
  ['a partition whose end is no number', place(1, 2n ** 62n, 2n ** 62n)],
  ['a partition at a negative place', place(1, -1, 4096)],
  ['a partition of a negative size', place(1, 36_864, -4096)],
  ['a partition of no bytes', place(1, 36_864, 0)],
  ['a partition one byte too early', place(1, 36_863, 4096)],
  ['a definition in the partition', place(0, 36_864, 100)],
  ['a partition in the definition', place(1, 32_770, 10)],
  ['a definition in the descriptors', place(0, TABLE + 10, 100)],
  [
    'two objects with one id',
    bytes => {
      bytes.writeUInt32LE(1, descriptor(1, 'id'))
      return undefined
    }
  ],
  [
    'two primary partitions',
    bytes => {
      bytes.copy(bytes, TABLE, TABLE + DESCRIPTOR_BYTES, TABLE + 2 * DESCRIPTOR_BYTES)
      bytes.writeUInt32LE(1, descriptor(0, 'id'))
      return place(0, 32_768, 10)(bytes)
    }
  ],
  [
    'a system partition that nobody uses',
    bytes => {
      bytes[descriptor(1, 'used')] = 0
      return undefined
    }
  ],
  [
    'a SIF file in the partition',
    bytes => {
      bytes.copy(bytes, 36_864, 0, 128)
      return undefined
    }
  ],
  ['a cut in the descriptors', bytes => bytes.subarray(0, TABLE + 100)],
  ['a cut in the partition', bytes => bytes.subarray(0, 36_864 + 200)]
]

export const sif: Area = {
  area: 'SIF files',
  cases: [
    ...ROWS.map(
      ([name, change]): RejectCase => ({
        name,
        expect: 'IMAGE_INVALID',
        async attack(room) {
          const bytes = await model()
          await useImage(room, room.write('hostile.sif', change(bytes) ?? bytes))
        }
      })
    ),
    {
      name: 'a definition of a terabyte',
      expect: 'IMAGE_INVALID',
      async attack(room) {
        const bytes = await model()
        place(0, bytes.length, 2 ** 40)(bytes)
        const path = room.write('hostile.sif', bytes)
        truncateSync(path, bytes.length + 2 ** 40)
        await useImage(room, path)
      }
    }
  ]
}

const model = async (): Promise<Buffer> =>
  makeSif([
    { type: RECIPE, data: Buffer.from('Bootstrap: docker\n') },
    { type: PARTITION, data: await modelImage(), fileSystem: SQUASHFS, partitionType: PRIMARY_SYSTEM }
  ])
