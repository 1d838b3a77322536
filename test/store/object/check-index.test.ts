import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { checkIndex } from '../../../store/object/check-index.ts'
import { type LayerIndex, NONE } from '../../../store/object/layer-index.ts'
import { compile } from '../../compose/helpers/compile.ts'
import { type Entry, tarOf } from '../../compose/helpers/tar-layer.ts'

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
  'link -> d/large'
])

const swapped = (column: Uint32Array, i: number, j: number): Uint32Array => {
  const copy = column.slice()
  copy[i] = column[j]
  copy[j] = column[i]
  return copy
}

const WRONG: [RegExp, (index: LayerIndex) => Partial<LayerIndex>][] = [
  [/byte \d+ of the data file belongs to nothing/, ({ dataBytes }) => ({ dataBytes: dataBytes + 1 })],
  [
    /byte 0 of the data file belongs to nothing/,
    ({ contentStart }) => ({ contentStart: contentStart.map(start => start + 1) })
  ],
  [
    /byte \d+ of the data file belongs to nothing/,
    ({ fragmentStart }) => ({ fragmentStart: fragmentStart.map(() => fragmentStart[0]) })
  ],
  [
    /fragment 3 lies outside the data file/,
    ({ fragmentStart, fragmentStored, fragmentBytes, dataBytes }) => ({
      fragmentStart: Float64Array.of(...fragmentStart, dataBytes),
      fragmentStored: Uint32Array.of(...fragmentStored, 1),
      fragmentBytes: Uint32Array.of(...fragmentBytes, 1)
    })
  ],
  [
    /content 0 has blocks that are not there/,
    ({ contentSize }) => ({ contentSize: contentSize.map(size => size * 2 ** 20) })
  ],
  [
    /content 0 has half a tail/,
    ({ contentFragment }) => ({ contentFragment: contentFragment.map(() => NONE) })
  ],
  [
    /the tail of content 2 is not behind the one before/,
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
    /the tail of content 2 is not behind/,
    ({ contentFragment }) => ({ contentFragment: swapped(contentFragment, 2, 3) })
  ],
  [/inode 1 is not among the directories/, () => ({ directoryInode: Uint32Array.of(0, 2) })],
  [
    /inode 1 is not among the directories/,
    () => ({ directoryInode: Uint32Array.of(0), listingHash: new Uint8Array(32) })
  ],
  [
    /some inodes or entries belong nowhere/,
    () => ({ directoryInode: Uint32Array.of(0, 1, 2), listingHash: new Uint8Array(96) })
  ],
  [/column listingHash has 32 rows, wanted 64/, () => ({ listingHash: new Uint8Array(32) })]
]

for (const [message, change] of WRONG)
  indexes(`${message.source}`, async () => {
    const { index } = await compile(tar, PROFILE)
    checkIndex(index)
    assert.throws(() => checkIndex({ ...index, ...change(index) }), message)
  })

indexes.run()
