import { randomBytes } from 'node:crypto'
import * as assert from 'uvu/assert'
import { unpackBlock } from '../../../store/object/block-codec.ts'
import type { ImageCompressor } from '../../../store/values/profile.ts'
import { PACKED_BLOCKS } from '../../fuzz/targets/blocks.ts'
import { suite } from '../../helpers/suite.ts'

const blocks = suite('blocks of images that others made')

const ROOM = 8192
function unpack(compressor: ImageCompressor, block: Uint8Array, roomBytes = ROOM): Buffer {
  const room = new Uint8Array(roomBytes)
  return Buffer.from(room.subarray(0, unpackBlock(block, block.length, room, compressor)))
}
const refused = (compressor: ImageCompressor, hex: string, message: RegExp, roomBytes?: number) =>
  assert.throws(() => unpack(compressor, Buffer.from(hex, 'hex'), roomBytes), message)

blocks('of each compressor hold the one text that was packed', () => {
  const [first, ...others] = PACKED_BLOCKS.map(([name, text]) => unpack(name, Buffer.from(text, 'base64')))
  assert.match(first.toString('latin1'), /^line 1 of words and words\nline 2/)
  for (const other of others) assert.ok(other.equals(first))
})

blocks('that are cut off anywhere, or followed by a byte, are refused', () => {
  for (const [name, text] of PACKED_BLOCKS) {
    const block = Buffer.from(text, 'base64')
    const whole = unpack(name, block)
    for (let length = 0; length < block.length; length++) {
      // LZ4 has neither a length nor an end: a block that is cut behind literals is a shorter one.
      try {
        assert.is.not(unpack(name, block.subarray(0, length)).length, whole.length, `${name}, ${length}`)
        assert.is(name, 'lz4')
      } catch (error) {
        assert.match((error as Error).name, /^(RangeError|LzmaError)$/)
      }
    }
    assert.throws(
      () => unpack(name, Buffer.concat([block, Buffer.from([0])])),
      /follow|distance|ends|corrupt/
    )
    assert.throws(() => unpack(name, block, whole.length - 1), /more than/)
  }
})

blocks('of LZ4 repeat what they wrote, and end in literals', () => {
  assert.is(unpack('lz4', Buffer.from('116101001062', 'hex')).toString(), `${'a'.repeat(6)}b`)
  assert.is(unpack('lz4', Buffer.from('2f61620200051063', 'hex')).toString(), `${'ab'.repeat(13)}c`)
  refused('lz4', '', /ends before its last literals/)
  refused('lz4', '10', /1 literals, but 0 bytes are left/)
  refused('lz4', '1161000000', /distance 0 is not 1..1/)
  refused('lz4', '1161020000', /distance 2 is not 1..1/)
  refused('lz4', '116101', /ends inside a distance/)
  refused('lz4', '1f610100ffff', /ends inside a length/)
  refused('lz4', `1f610100${'ff'.repeat(100)}00`, /more than 8192 bytes/)
})

/** Each instruction of Linux' description of LZO1X, behind literals "abcdefgh". */
const INSTRUCTIONS: [what: string, hex: string, text: string][] = [
  ['nothing more', '', ''],
  ['64 to 127: three bytes', '4800', 'fgh'],
  ['128 to 255: five bytes, eight before, a literal', '9d0058', 'abcdeX'],
  ['32 to 63: two bytes and more, within 16 KiB', '231c00', 'abcde'],
  ['32 with a length in the next byte', '20011c00', 'abcdefgh'.repeat(5).slice(0, 34)]
]

blocks('of LZO1X follow each instruction', () => {
  const literals = Buffer.concat([Buffer.from([17 + 8]), Buffer.from('abcdefgh')])
  for (const [what, hex, text] of INSTRUCTIONS) {
    const block = Buffer.concat([literals, Buffer.from(hex, 'hex'), Buffer.from('110000', 'hex')])
    assert.is(unpack('lzo', block).toString(), `abcdefgh${text}`, what)
  }
  refused('lzo', '', /ends too early/)
  refused('lzo', '1261', /ends too early/)
  refused('lzo', '1261110000ff', /1 bytes follow the end/)
  refused('lzo', '1261120000', /an end of 4 bytes, wanted 3/)
  refused('lzo', '1961', /8 literals, but 1 bytes are left/)
  refused('lzo', '12614000', /distance 1 is not|ends too early|distance/)
  refused('lzo', '1561626364201c00', /distance|ends/)
  refused('lzo', `1561626364${'20'}${'00'.repeat(100)}ff0000`, /more than 8192 bytes/)
})

blocks('of noise are refused or give at most a block, and one bad block leaves the next one whole', () => {
  for (const [name, text] of PACKED_BLOCKS) {
    const good = Buffer.from(text, 'base64')
    const whole = unpack(name, good)
    for (let i = 0; i < 300; i++) {
      const noise = Buffer.concat([good.subarray(0, i % good.length), randomBytes(40 + i)])
      try {
        assert.ok(unpack(name, noise).length <= ROOM)
      } catch (error) {
        assert.match((error as Error).name, /^(RangeError|LzmaError)$/, `${name}: ${error}`)
      }
    }
    assert.ok(unpack(name, good).equals(whole))
  }
})

blocks.run()
