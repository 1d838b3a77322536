import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import * as assert from 'uvu/assert'
import { memberOfZlib, storedMember } from '../../../compose/oci/gzip-member.ts'
import { packPieces } from '../../../compose/oci/layer-packing.ts'
import { rawFrame, zeroFrame } from '../../../compose/oci/zstd-frame.ts'
import type { ContentPiece } from '../../../compose/tar/content-blocks.ts'
import { packBlock } from '../../../store/object/block-codec.ts'
import { InlinePacker } from '../../../store/object/compress-pool.ts'
import { STORED_RAW } from '../../../store/object/layer-index.ts'
import { needing } from '../../helpers/needs.ts'
import { suite } from '../../helpers/suite.ts'

const frames = suite('oci: frames')

const unpack = (program: string, bytes: Uint8Array): Buffer =>
  execFileSync(program, ['-dc'], { input: bytes, maxBuffer: 1 << 26 })

const SIZES = [0, 1, 511, 131071, 131072, 131073, 262144, 1 << 20, 3_000_001]

needing(frames, 'zstd')('zstd reads our frames of every size', () => {
  for (const size of SIZES) {
    const bytes = randomBytes(size)
    assert.ok(unpack('zstd', rawFrame(bytes)).equals(bytes), `${size} raw bytes`)
    if (size > 0) assert.ok(unpack('zstd', zeroFrame(size)).equals(Buffer.alloc(size)), `${size} zeros`)
  }
})

needing(frames, 'gzip')('gzip reads back members, one after another', () => {
  const members = SIZES.flatMap(size => {
    const text = Buffer.from('abc'.repeat(size)).subarray(0, size)
    const room = new Uint8Array(2 * size + 1024)
    const stored = packBlock(text, room, { compressor: 'gzip', level: 6 })
    const random = randomBytes(size)
    const parts = [{ raw: random, member: storedMember(random) }]
    if ((stored & STORED_RAW) === 0)
      parts.push({ raw: text, member: memberOfZlib(room.subarray(0, stored), text) })
    return parts
  })
  const found = unpack('gzip', Buffer.concat(members.map(({ member }) => member)))
  assert.ok(found.equals(Buffer.concat(members.map(({ raw }) => raw))))
})

needing(
  frames,
  'zstd',
  'gzip'
)('any mixture of literals, packed blocks and holes comes back', async () => {
  const block = Buffer.from('block of text '.repeat(10_000))
  const room = new Uint8Array(2 * block.length)
  const frame = room.subarray(0, packBlock(block, room, { compressor: 'zstd', level: 19 }))
  const pieces: ContentPiece[] = [
    { rawBytes: Buffer.from('header') },
    { rawBytes: block, frame },
    { rawBytes: new Uint8Array(131072), isHole: true },
    { rawBytes: randomBytes(2_500_000) },
    { rawBytes: block, frame },
    { rawBytes: Buffer.from('end') }
  ]
  const raw = Buffer.concat(pieces.map(({ rawBytes }) => rawBytes))
  for (const [compression, program] of [
    ['zstd', 'zstd'],
    ['gzip', 'gzip'],
    ['none', 'cat']
  ] as const) {
    const parts: Uint8Array[] = []
    for (const { blobBytes } of packPieces(pieces, compression, new InlinePacker()))
      parts.push(await blobBytes)
    const blob = Buffer.concat(parts)
    assert.ok((program === 'cat' ? blob : unpack(program, blob)).equals(raw), compression)
  }
})

frames.run()
