import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import * as assert from 'uvu/assert'
import { LIBLZMA_NAMES, LzmaDecoder, LzmaError, liblzmaVersion } from '../../../store/input/liblzma.ts'
import { needing } from '../../helpers/needs.ts'
import { suite } from '../../helpers/suite.ts'

const lzma = suite('input: liblzma')

const xz = (args: string, bytes: Uint8Array): Buffer =>
  execFileSync('xz', [...args.split(' '), '-c'], { input: bytes, maxBuffer: 1 << 28 })

const LIMIT = 1 << 29

function decode(decoder: LzmaDecoder, bytes: Uint8Array): Buffer {
  const pieces = decoder.decode(bytes, true)
  const out: Buffer[] = []
  for (let next = pieces.next(); ; next = pieces.next()) {
    if (next.done) {
      assert.is(next.value, true, 'the stream has ended')
      return Buffer.concat(out)
    }
    out.push(next.value)
  }
}

function fault(decoder: LzmaDecoder, bytes: Uint8Array): LzmaError {
  try {
    decode(decoder, bytes)
  } catch (error) {
    assert.instance(error, LzmaError)
    return error as LzmaError
  }
  throw new Error('it was decoded')
}

lzma('functions have the names of the package', () => {
  const glue = readFileSync(
    new URL('../../../../node_modules/node-liblzma/lib/wasm/liblzma.js', import.meta.url)
  )
  for (const [name, letter] of Object.entries(LIBLZMA_NAMES))
    if (name !== 'start') assert.match(glue.toString(), `b._${name}=Y.${letter})`)
  assert.match(liblzmaVersion(), /^5\.\d+\.\d+$/)
})

const sample = Buffer.concat([Buffer.alloc(300_000, 'words '), randomBytes(200_000)])

needing(lzma, 'xz')('decodes each filter, each kind of check, and the older form', () => {
  const filters = ['x86', 'arm', 'armthumb', 'powerpc', 'ia64', 'sparc', 'delta=dist=4']
  for (const filter of filters)
    assert.ok(
      decode(new LzmaDecoder('stream', LIMIT), xz(`--${filter} --lzma2=preset=1`, sample)).equals(sample),
      filter
    )
  for (const check of ['none', 'crc32', 'crc64', 'sha256'])
    assert.ok(
      decode(new LzmaDecoder('stream', LIMIT), xz(`--check=${check} -1`, sample)).equals(sample),
      check
    )
  assert.ok(decode(new LzmaDecoder('lzma', LIMIT), xz('--format=lzma -1', sample)).equals(sample), 'lzma')
})

needing(lzma, 'xz')('takes no other form than the one that was named', () => {
  const lzip = Buffer.from('4c5a495001', 'hex')
  for (const other of [xz('-1', sample), lzip]) {
    const { fault: found, message } = fault(new LzmaDecoder('lzma', LIMIT), other)
    assert.equal([found, message], ['damaged', 'file format not recognized'])
  }
  assert.is(fault(new LzmaDecoder('stream', LIMIT), xz('--format=lzma -1', sample)).fault, 'damaged')
})

/** The same stream, saying another size of dictionary; its bytes need none. */
function withDictionary(stream: Buffer, code: number): Buffer {
  const copy = Buffer.from(stream)
  const headerBytes = (copy[12] + 1) * 4
  assert.equal([...copy.subarray(13, 16)], [0, 0x21, 1], 'one filter, LZMA2')
  copy[16] = code
  copy.writeUInt32LE(crc32(copy.subarray(12, 12 + headerBytes - 4)), 12 + headerBytes - 4)
  return copy
}

needing(lzma, 'xz')(
  'refuses a dictionary beyond the limit of memory before it is made, and takes one below',
  () => {
    const small = xz('-0', Buffer.from('small'))
    const mebibytes384 = withDictionary(small, 33)
    assert.is(decode(new LzmaDecoder('stream', LIMIT), mebibytes384).toString(), 'small')
    for (const code of [34, 36, 40]) {
      assert.is(fault(new LzmaDecoder('stream', LIMIT), withDictionary(small, code)).fault, 'memory')
      assert.is(fault(new LzmaDecoder('streams', LIMIT), withDictionary(small, code)).fault, 'memory')
    }
    assert.is(fault(new LzmaDecoder('stream', 1 << 20), xz('-6', Buffer.from('small'))).fault, 'memory')
    const header = Buffer.concat([Buffer.from('5d0000004000000000000000', 'hex'), Buffer.alloc(100)])
    header.writeUInt32LE(1 << 30, 1)
    assert.is(fault(new LzmaDecoder('lzma', LIMIT), header).fault, 'memory')
  }
)

needing(lzma, 'xz')('decodes one block after another with one memory, also after a bad one', () => {
  const decoder = new LzmaDecoder('stream', 1 << 24)
  const packed = xz('-1', sample)
  for (let i = 0; i < 20; i++) {
    decoder.restart()
    if (i % 3 === 1) {
      const bad = Buffer.from(packed)
      bad[100 + i] ^= 1
      assert.is(fault(decoder, bad).fault, 'damaged')
    } else if (i % 3 === 2) assert.is(fault(decoder, packed.subarray(0, -20 - i)).fault, 'cut')
    else assert.ok(decode(decoder, packed).equals(sample))
  }
})

needing(lzma, 'xz')('gives its output as it is asked for: a bomb is never whole in memory', () => {
  const bomb = xz('-0', Buffer.alloc(1 << 26))
  const decoder = new LzmaDecoder('streams', LIMIT)
  let [pieces, lengthBytes] = [0, 0]
  for (const piece of decoder.decode(bomb, true)) {
    assert.ok(piece.length <= 1 << 18)
    pieces++
    lengthBytes += piece.length
  }
  assert.is(lengthBytes, 1 << 26)
  assert.ok(pieces >= 256)
})

lzma.run()
