import { closeSync, openSync } from 'node:fs'
import { imageAsLayer } from '../../../compose/inspect/image-layer.ts'
import { listImage } from '../../../compose/inspect/list-image.ts'
import { describeImage, openImage } from '../../../compose/inspect/open-image.ts'
import { readEverything } from '../../../compose/inspect/read-everything.ts'
import { mergeLayers } from '../../../compose/merge/merge-layers.ts'
import { writeSandbox } from '../../../compose/sandbox/write-sandbox.ts'
import type { Area, RejectCase } from '../case.ts'
import { ImageBytes, modelImage } from '../image-bytes.ts'
import type { Room } from '../room.ts'

/** Changes the image in place, or gives another one. */
type Change = ((bytes: Buffer, at: ImageBytes) => Buffer) | ((bytes: Buffer, at: ImageBytes) => void)
type ImageRow = [name: string, change: Change, expect?: RejectCase['expect'], reference?: string]

/** Everything that compose does with an image: list, read, describe, unpack. */
export async function useImage(room: Room, path: string): Promise<void> {
  const image = await openImage(path)
  try {
    readEverything(image.reader)
    for (const _ of listImage(image, '', true));
    describeImage(image)
    const index = imageAsLayer(image, () => false)
    const tree = mergeLayers([{ index, module: 0, name: 'image', role: 'module' }])
    const fd = openSync(path, 'r')
    try {
      await writeSandbox(tree, [fd], room.target, { recordOnly: true, lock: '{}' })
    } finally {
      closeSync(fd)
    }
  } finally {
    await image.close()
  }
}

const imageCases = (rows: ImageRow[]): RejectCase[] =>
  rows.map(([name, change, expect = 'IMAGE_INVALID', reference]) => ({
    name,
    expect,
    reference,
    async attack(room) {
      const at = new ImageBytes(await modelImage())
      await useImage(room, room.write('hostile.sqfs', change(at.bytes, at) ?? at.bytes))
    }
  }))

const u16 =
  (offset: number, value: number): Change =>
  bytes =>
    void bytes.writeUInt16LE(value, offset)
const u32 =
  (offset: number, value: number): Change =>
  bytes =>
    void bytes.writeUInt32LE(value, offset)
const u64 =
  (offset: number, value: bigint): Change =>
  bytes =>
    void bytes.writeBigUInt64LE(value, offset)
const inode16 =
  (path: string, offset: number, value: number): Change =>
  (bytes, at) =>
    void bytes.writeUInt16LE(value, at.inode(path) + offset)
const inode32 =
  (path: string, offset: number, value: number): Change =>
  (bytes, at) =>
    void bytes.writeUInt32LE(value, at.inode(path) + offset)
const renamed =
  (path: string, name: string): Change =>
  (bytes, at) =>
    void bytes.write(name, at.entry(path) + 8, 'latin1')
const entry16 =
  (path: string, offset: number, value: number): Change =>
  (bytes, at) =>
    void bytes.writeUInt16LE(value, at.entry(path) + offset)

/** Puts a place, then the block that it leads to, into a table. */
const lookup =
  (table: 'idTable' | 'fragmentTable', place: (at: ImageBytes) => bigint): Change =>
  (bytes, at) =>
    void bytes.writeBigUInt64LE(place(at), at.superblock[table]!)

/** A directory entry made to lead to another directory. */
const redirect =
  (from: string, to: string): Change =>
  (bytes, at) => {
    const entry = at.entry(from)
    const target = at.inode(to)
    const { inodeTable } = at.superblock
    const header = at.listing(from.slice(0, Math.max(0, from.lastIndexOf('/'))))
    bytes.writeUInt16LE(target - inodeTable - 2, entry)
    bytes.writeInt16LE(at.reader.find(to)!.number - bytes.readUInt32LE(header + 8), entry + 2)
  }

export const superblocks: Area = {
  area: 'SquashFS superblocks',
  cases: imageCases([
    ['an empty file', () => Buffer.alloc(0)],
    ['a file of 10 bytes', bytes => bytes.subarray(0, 10)],
    ['zeros', () => Buffer.alloc(8192)],
    ['another magic', u32(0, 0x73717369)],
    ['big endian', bytes => void bytes.write('sqsh', 0)],
    ['no inodes', u32(4, 0)],
    ['one inode', u32(4, 1)],
    ['2^32 - 1 inodes', u32(4, 0xffffffff), 'confined'],
    ['a block size of 0', u32(12, 0)],
    ['a block size of 2 GiB', u32(12, 2 ** 31)],
    ['a block size that is no power of two', u32(12, 131073)],
    ['a logarithm of 40', u16(22, 40), 'IMAGE_INVALID', 'CVE-2012-4025'],
    ['a compressor that is not known', u16(20, 9)],
    ['a compressor of none', u16(20, 0)],
    ['version 3', u16(28, 3)],
    ['version 4.1', u16(30, 1)],
    ['2^32 - 1 fragments', u32(16, 0xffffffff), 'IMAGE_INVALID', 'CVE-2015-4645'],
    ['no fragments, but a file that uses one', u32(16, 0)],
    ['65535 ids', u16(26, 65535)],
    ['no ids', u16(26, 0)],
    ['a root behind the table', u64(32, 0xffffffff0000n)],
    ['a root inside a block that is not there', u64(32, 0x1fffn)],
    [
      'a root that is a file',
      (bytes, at) => void bytes.writeBigUInt64LE(BigInt(at.inode('large') - at.superblock.inodeTable - 2), 32)
    ],
    ['fewer bytes in use than a superblock has', u64(40, 10n)],
    ['more bytes in use than the file has', u64(40, 2n ** 40n)],
    ['2^64 - 1 bytes in use', u64(40, 2n ** 64n - 1n)],
    ['an id table behind the end', u64(48, 2n ** 50n)],
    ['no id table', u64(48, 2n ** 64n - 1n)],
    ['an inode table in the superblock', u64(64, 8n)],
    [
      'an inode table behind the directory table',
      (bytes, at) => void bytes.writeBigUInt64LE(BigInt(at.superblock.directoryTable + 1), 64)
    ],
    ['a directory table behind the end', u64(72, 2n ** 63n)],
    ['no fragment table', u64(80, 2n ** 64n - 1n)],
    [
      'a fragment table of text',
      (bytes, at) => void bytes.writeBigUInt64LE(BigInt(at.superblock.bytesUsed - 4), 80)
    ],
    ['an attribute table behind the end', u64(56, 2n ** 40n)],
    ['no attribute table, but attributes', u64(56, 2n ** 64n - 1n)]
  ])
}

export const images: Area = {
  area: 'SquashFS images',
  cases: imageCases([
    ['a directory that holds its parent', redirect('d/e', 'd')],
    ['a directory that holds the root', redirect('d/e', '')],
    ['a directory that holds itself', redirect('d/e', 'd/e'), 'confined'],
    ['a directory in place of its parent', redirect('d', 'd/e'), 'confined'],
    ['a name with a slash', renamed('d/one', 'o/e'), 'IMAGE_INVALID', 'CVE-2021-40153'],
    ['a name of the parent', renamed('d/e', '.'), 'IMAGE_INVALID', 'CVE-2021-40153'],
    [
      'a name of two dots',
      (bytes, at) => {
        const entry = at.entry('d/one')
        bytes.writeUInt16LE(1, entry + 6)
        bytes.write('..', entry + 8)
      },
      'IMAGE_INVALID',
      'CVE-2021-40153'
    ],
    ['a name with a NUL', renamed('d/one', 'o\0e')],
    ['a name twice', renamed('d/two', 'one'), 'IMAGE_INVALID', 'CVE-2021-41072'],
    ['names out of order', renamed('d/two', 'aaa')],
    ['a name with an escape', renamed('d/two', '\x7f[m'), 'confined'],
    ['a name of 65536 bytes', entry16('d/one', 6, 0xffff)],
    ['a name of 300 bytes', entry16('d/one', 6, 299)],
    ['an entry of another type', entry16('d/one', 4, 1)],
    ['an entry of type 0', entry16('d/one', 4, 0)],
    ['an entry of type 99', entry16('d/one', 4, 99)],
    ['an entry of another number', entry16('d/one', 2, 1000)],
    ['an entry that leads behind its block', entry16('d/one', 0, 8191)],
    ['an entry that leads into an inode', entry16('d/one', 0, 7)],
    ['a header of 2^32 entries', (bytes, at) => void bytes.writeUInt32LE(0xffffffff, at.listing('d'))],
    ['a header of 257 entries', (bytes, at) => void bytes.writeUInt32LE(256, at.listing('d'))],
    [
      'a header that leads behind the table',
      (bytes, at) => void bytes.writeUInt32LE(0x7fffffff, at.listing('d') + 4)
    ],
    ['a header of inode 2^32 - 1', (bytes, at) => void bytes.writeUInt32LE(0xffffffff, at.listing('d') + 8)],
    ['a listing that is longer than the table', inode16('d', 24, 0xffff)],
    ['a listing of 2 bytes', inode16('d', 24, 2)],
    ['a listing that ends inside an entry', inode16('d', 24, 20)],
    ['an empty listing', inode16('d', 24, 3), 'confined'],
    ['a listing behind the table', inode32('d', 16, 0x7fffffff)],
    ['a listing behind its block', inode16('d', 26, 8191)],
    ['an inode of type 0', inode16('d/one', 0, 0)],
    ['an inode of type 15', inode16('d/one', 0, 15)],
    ['an inode of number 0', inode32('d/one', 12, 0), 'IMAGE_INVALID', 'CVE-2024-26982'],
    ['an inode of number 2^32 - 1', inode32('d/one', 12, 0xffffffff)],
    ['an owner that is not in the table', inode16('d/one', 4, 999)],
    ['a mode of more than 12 bits', inode16('d/one', 2, 0xffff)],
    ['a file of 4 GiB in a fragment', inode32('d/one', 28, 0xfffffffe)],
    ['a fragment that is not there', inode32('d/one', 20, 999)],
    ['no fragment for a tail', inode32('d/one', 20, 0xfffffffe)],
    ['a place in a fragment behind its end', inode32('d/one', 24, 0xffff_fff0)],
    ['a file that begins behind the end', inode32('large', 16, 0x7fffffff)],
    ['a file that begins in the superblock', inode32('large', 16, 0)],
    ['a block of a stored size beyond its size', inode32('large', 32, 0x1ffffff)],
    ['a block of a stored size with unknown bits', inode32('large', 32, 0x81000000)],
    ['a block that is not packed as it says', inode32('large', 32, 131072)],
    ['a link target of 4 GiB', inode32('link', 20, 0xffffffff), 'IMAGE_INVALID', 'CVE-2024-46744'],
    ['a link target of 5000 bytes', inode32('link', 20, 5000)],
    ['a link target of no bytes', inode32('link', 20, 0)],
    ['a link target with a NUL', (bytes, at) => void bytes.writeUInt8(0, at.inode('link') + 25)],
    [
      'a metadata block of 0 bytes',
      (bytes, at) => void bytes.writeUInt16LE(0x8000, at.superblock.inodeTable)
    ],
    [
      'a metadata block of 9000 bytes',
      (bytes, at) => void bytes.writeUInt16LE(0x8000 | 9000, at.superblock.directoryTable)
    ],
    [
      'a metadata block that is not packed as it says',
      (bytes, at) =>
        void bytes.writeUInt16LE(
          bytes.readUInt16LE(at.superblock.inodeTable) & 0x7fff,
          at.superblock.inodeTable
        )
    ],
    [
      'a metadata block that expands beyond 8 KiB',
      (bytes, at) => {
        // A zstd frame of run-length blocks: 128 KiB out of 10 bytes.
        Buffer.from('28b52ffd0058020010000000', 'hex').copy(bytes, at.superblock.inodeTable + 2)
        bytes.writeUInt16LE(12, at.superblock.inodeTable)
      }
    ],
    ['an id table in the data', lookup('idTable', () => 100n)],
    ['an id table behind itself', lookup('idTable', at => BigInt(at.superblock.idTable))],
    ['a place of 2^64 - 1 in the id table', lookup('idTable', () => 2n ** 64n - 1n)],
    [
      'a fragment table that leads to itself',
      lookup('fragmentTable', at => BigInt(at.superblock.fragmentTable!))
    ],
    [
      'a fragment table that leads into inodes',
      lookup('fragmentTable', at => BigInt(at.superblock.inodeTable))
    ],
    [
      '2^32 - 1 attribute sets',
      (bytes, at) => void bytes.writeUInt32LE(0xffffffff, at.superblock.attributeTable! + 8),
      'IMAGE_INVALID',
      'CVE-2023-52933'
    ],
    [
      'attributes that stand behind their table',
      (bytes, at) => void bytes.writeBigUInt64LE(2n ** 40n, at.superblock.attributeTable!)
    ],
    ['an attribute set that is not there', inode32('marked', 52, 77)],
    [
      'a file of 2^63 bytes',
      (bytes, at) => void bytes.writeBigUInt64LE(2n ** 63n, at.inode('marked') + 24),
      'IMAGE_INVALID',
      'CVE-2025-40200'
    ],
    ['a file of 2^52 bytes', (bytes, at) => void bytes.writeBigUInt64LE(2n ** 52n, at.inode('marked') + 24)],
    ['a text in place of /.compose', renamed('d', '.'), 'IMAGE_INVALID'],
    ['tables cut off', bytes => bytes.subarray(0, bytes.length - 8192)],
    ['data cut off', bytes => Buffer.concat([bytes.subarray(0, 5000), bytes.subarray(9000)])]
  ])
}
