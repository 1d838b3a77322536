import * as assert from 'uvu/assert'
import { checkIndex } from '../../../store/object/check-index.ts'
import { type LayerIndex, NONE } from '../../../store/object/layer-index.ts'
import { compile } from '../../compose/helpers/compile.ts'
import { type Entry, tarOf } from '../../compose/helpers/tar-layer.ts'
import { suite } from '../../helpers/suite.ts'

const indexes = suite('indexes that contradict themselves')

const PROFILE = { compressor: 'zstd', level: 1, blockSize: 4096 } as const
const tar = tarOf([
  './',
  'd/',
  ['d/large', { content: Buffer.alloc(5000, 'x') }],
  ...Array.from(
    { length: 3 },
    (_, i) => [`tail${i}`, { content: Buffer.alloc(3000, `${i}`) }] as [string, Entry]
  ),
  'link -> d/large',
  'empty='
])

const swapped = (column: Uint32Array, i: number, j: number): Uint32Array => {
  const copy = column.slice()
  copy[i] = column[j]
  copy[j] = column[i]
  return copy
}

const WRONG: [RegExp, (index: LayerIndex) => Partial<LayerIndex>][] = [
  [/byte \d+ of the data file belongs to no block/, ({ dataBytes }) => ({ dataBytes: dataBytes + 1 })],
  [
    /byte 0 of the data file belongs to no block/,
    ({ contentStart }) => ({ contentStart: contentStart.map(start => start + 1) })
  ],
  [
    /byte \d+ of the data file belongs to no block/,
    ({ fragmentStart }) => ({ fragmentStart: fragmentStart.map(() => fragmentStart[0]) })
  ],
  [
    /block that ends at byte \d+ lies outside the data file/,
    ({ fragmentStart, fragmentStored, fragmentBytes, dataBytes }) => ({
      fragmentStart: Float64Array.of(...fragmentStart, dataBytes),
      fragmentStored: Uint32Array.of(...fragmentStored, 1),
      fragmentBytes: Uint32Array.of(...fragmentBytes, 1)
    })
  ],
  [
    /content 0 names missing blocks/,
    ({ contentSize }) => ({ contentSize: contentSize.map(size => size * 2 ** 20) })
  ],
  [
    /content \d names missing blocks/,
    ({ contentFragment }) => ({ contentFragment: contentFragment.map(() => NONE) })
  ],
  [
    /content \d has no tail, but a fragment/,
    ({ contentFragment }) => ({ contentFragment: contentFragment.map(at => (at === NONE ? 0 : at)) })
  ],
  [
    /the tail of content 2 is not after the one before/,
    ({ fragmentBytes }) => ({ fragmentBytes: fragmentBytes.map((n, i) => n + Number(i === 0)) })
  ],
  [
    /fragment 2 has bytes of no content/,
    ({ fragmentBytes }) => ({ fragmentBytes: fragmentBytes.map((n, i) => n + Number(i === 2)) })
  ],
  [
    /the tail of content 3 lies outside its fragment/,
    ({ fragmentBytes }) => ({ fragmentBytes: fragmentBytes.map((n, i) => n - Number(i === 2)) })
  ],
  [
    /the tail of content 2 is not after/,
    ({ contentFragment }) => ({ contentFragment: swapped(contentFragment, 2, 3) })
  ],
  [/inode 1 is not among the directories/, () => ({ directoryInode: Uint32Array.of(0, 2) })],
  [
    /inode 1 is not among the directories/,
    () => ({ directoryInode: Uint32Array.of(0), listingHash: new Uint8Array(32) })
  ],
  [
    /some inodes or entries are in no directory/,
    () => ({ directoryInode: Uint32Array.of(0, 1, 2), listingHash: new Uint8Array(96) })
  ],
  [/column listingHash has 32 rows, wanted 64/, () => ({ listingHash: new Uint8Array(32) })],
  [/inode 0 has time NaN/, ({ mtimeSeconds }) => ({ mtimeSeconds: mtimeSeconds.map(() => Number.NaN) })],
  [/inode 0 has time 1\.5/, ({ mtimeSeconds }) => ({ mtimeSeconds: mtimeSeconds.map(() => 1.5) })],
  [/inode 0 has time Infinity/, ({ mtimeSeconds }) => ({ mtimeSeconds: mtimeSeconds.map(() => Infinity) })],
  [
    /inode 0 has time -?\d+\.1000000000/,
    ({ mtimeNanoseconds }) => ({ mtimeNanoseconds: mtimeNanoseconds.map(() => 1_000_000_000) })
  ],
  [/inode 0 has mode 10755/, ({ mode }) => ({ mode: mode.map(() => 0o10755) })],
  [/inode 0 has flags 16/, ({ flags }) => ({ flags: flags.map(() => 16) })],
  [/inode \d has flags 1/, ({ flags }) => ({ flags: flags.map(() => 1) })],
  [/inode 0 belongs to nobody/, ({ uid }) => ({ uid: uid.map(() => 0xffff_ffff) })],
  [/inode 0 belongs to nobody/, ({ gid }) => ({ gid: gid.map(() => 0xffff_ffff) })],
  [
    /the blocks of content 1 begin at 0/,
    ({ contentSize, contentFragment, contentFragmentOffset, fragmentBytes }) => ({
      contentSize: contentSize.map((size, i) => size + (i === 1 ? 4096 : 0)),
      contentFragment,
      contentFragmentOffset,
      fragmentBytes
    })
  ],
  [/string 0 cannot be the target of a link/, ({ stringPool }) => ({ stringPool: stringPool.map(() => 0) })],
  [
    /string 0 as an ACL/,
    ({ acl }) => ({ acl: acl.map(() => 1), aclAccess: Uint32Array.of(0), aclDefault: Uint32Array.of(NONE) })
  ],
  [
    /attribute 0: attribute d\/large/,
    ({ attributes }) => ({
      attributes: attributes.map(() => 1),
      attributeSetStart: Uint32Array.of(0, 1),
      attributeName: Uint32Array.of(0),
      attributeValue: Uint32Array.of(0)
    })
  ]
]

for (const [message, change] of WRONG)
  indexes(`${message.source}`, async () => {
    const { index } = await compile(tar, PROFILE)
    checkIndex(index)
    assert.throws(() => checkIndex({ ...index, ...change(index) }), message)
  })

indexes.run()
