import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import * as assert from 'uvu/assert'
import { openTarStream } from '../../../store/input/decompress.ts'
import { StrataError } from '../../../store/values/errors.ts'
import { DEFAULT_LIMITS, type Limits } from '../../../store/values/limits.ts'
import { atCheckSize, needing } from '../../helpers/needs.ts'
import { someOf } from '../../helpers/size.ts'
import { suite } from '../../helpers/suite.ts'
import { archive, file, header } from '../../helpers/tar-make.ts'

/** The programs gzip, zstd, xz and bzip2 make the streams; what comes out must be what went in, or be refused. */

const input = suite('input: decompression')

async function* chunksOf(bytes: Uint8Array, chunkBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes)
}

async function decode(bytes: Uint8Array, chunkBytes = 65_536, limits: Partial<Limits> = {}): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  const options = { name: 'in.tar', limits: { ...DEFAULT_LIMITS, ...limits } }
  for await (const chunk of openTarStream(chunksOf(bytes, chunkBytes), options)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function refusal(
  bytes: Uint8Array,
  chunkBytes?: number,
  limits?: Partial<Limits>
): Promise<StrataError> {
  try {
    await decode(bytes, chunkBytes, limits)
  } catch (error) {
    if (error instanceof StrataError) return error
    throw error
  }
  throw new Error('the stream was accepted')
}

const pipe = (command: string, bytes: Uint8Array): Buffer => {
  const [program, ...args] = command.split(' ')
  return execFileSync(program, args, { input: bytes, maxBuffer: 1 << 28 })
}

/** Text, noise, long runs and every byte: what exercises each part of a decoder. */
const sample = Buffer.concat([
  Buffer.from('some words, some more words, and words again\n'.repeat(5000)),
  randomBytes(300_000),
  Buffer.alloc(700_000, 'a'),
  Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
  Buffer.alloc(5, 'b'),
  Buffer.alloc(260, 'c')
])
const other = Buffer.from('another stream\n')

const COMMANDS = [
  'gzip -c',
  'gzip -1c',
  'zstd -qc',
  'zstd -q --long=27 -c',
  'xz -c',
  'xz --check=sha256 -0c',
  'bzip2 -c',
  'bzip2 -1c'
]
const PROGRAMS = ['gzip', 'zstd', 'xz', 'bzip2']

for (const command of COMMANDS) {
  const [program] = command.split(' ')
  atCheckSize(needing(input, program))(
    `${command}: one stream and several, in chunks of any size`,
    async () => {
      const one = pipe(command, sample)
      const three = Buffer.concat([
        one,
        pipe(command, other),
        pipe(command, Buffer.alloc(0)),
        pipe(command, other)
      ])
      const wanted = Buffer.concat([sample, other, other])
      for (const chunkBytes of [997, 1 << 22]) {
        assert.ok((await decode(one, chunkBytes)).equals(sample), `one stream, chunks of ${chunkBytes}`)
        assert.ok((await decode(three, chunkBytes)).equals(wanted), `streams, chunks of ${chunkBytes}`)
      }
      assert.ok((await decode(pipe(command, other), 1)).equals(other))
    }
  )
}

for (const program of PROGRAMS) {
  atCheckSize(needing(input, program))(`${program}: refuses a stream that is cut off anywhere`, async () => {
    const first = pipe(`${program} -c`, other)
    const both = Buffer.concat([first, pipe(`${program} -c`, Buffer.from('x'.repeat(300)))])
    for (let length = 12; length < both.length; length++) {
      if (length === first.length) continue
      for (const chunkBytes of [1, 1 << 20]) {
        const error = await refusal(both.subarray(0, length), chunkBytes)
        assert.is(error.code, 'STREAM_INVALID', `${length} of ${both.length}: ${error.message}`)
        assert.ok(error.message.startsWith(`in.tar: ${program}, byte `), error.message)
      }
    }
  })

  needing(input, program)(
    `${program}: never gives out other bytes than it was given, whatever bit flips`,
    async () => {
      const packed = pipe(`${program} -c`, Buffer.concat([other, sample.subarray(0, 3000), randomBytes(100)]))
      const good = await decode(packed)
      for (let bit = 0; bit < packed.length * 8; bit += 11) {
        const flipped = Buffer.from(packed)
        flipped[bit >>> 3] ^= 1 << (bit & 7)
        let result: Buffer
        try {
          result = await decode(flipped)
        } catch (error) {
          assert.instance(error, StrataError)
          continue
        }
        // A magic that is gone makes it a plain file, which the tar parser refuses; a header's time may be anything.
        assert.ok(result.equals(good) || result.equals(flipped), `bit ${bit}`)
      }
    }
  )

  atCheckSize(needing(input, program))(`${program}: refuses what stands behind the last stream`, async () => {
    const packed = pipe(`${program} -c`, sample)
    const tails: [string, Buffer][] = [
      ['text', Buffer.from('trailing text')],
      ['one byte', Buffer.from([7])],
      ['zeros and text', Buffer.concat([Buffer.alloc(512), Buffer.from('text')])],
      ['zeros and a stream', Buffer.concat([Buffer.alloc(511), packed])]
    ]
    for (const [title, tail] of tails) {
      for (const chunkBytes of [packed.length, 1000, 1 << 22]) {
        const error = await refusal(Buffer.concat([packed, tail]), chunkBytes)
        assert.is(error.code, 'STREAM_INVALID', title)
      }
    }
  })
}

needing(input, 'xz')('xz: says how to repack a stream that needs too large a dictionary', async () => {
  const error = await refusal(pipe('xz --lzma2=preset=0,dict=1GiB -c', randomBytes(1000)))
  assert.is(error.code, 'STREAM_INVALID')
  assert.match(error.hint!, /xz -9/)
})

needing(input, 'gzip')('gzip: names the offset of the first byte that is not of the stream', async () => {
  const packed = pipe('gzip -c', other)
  const error = await refusal(Buffer.concat([packed, Buffer.alloc(100), Buffer.from('x')]))
  assert.is(error.facts.offset, packed.length + 100)
  assert.match(error.message, /followed by other bytes/)
})

needing(
  input,
  'gzip',
  'xz'
)('accepts zeros where tape drives and xz put them', async () => {
  for (const chunkBytes of [100, 1 << 20]) {
    assert.ok(
      (await decode(Buffer.concat([pipe('gzip -c', other), Buffer.alloc(10_240)]), chunkBytes)).equals(other)
    )
    assert.ok(
      (await decode(Buffer.concat([pipe('xz -c', other), Buffer.alloc(8)]), chunkBytes)).equals(other)
    )
  }
  const error = await refusal(Buffer.concat([pipe('xz -c', other), Buffer.alloc(7)]))
  assert.is(error.code, 'STREAM_INVALID')
})

needing(input, 'zstd')('zstd: reads over skippable frames', async () => {
  const skippable = Buffer.concat([Buffer.from('5e2a4d1805000000', 'hex'), Buffer.from('hello')])
  const packed = pipe('zstd -qc', other)
  assert.ok(
    (await decode(Buffer.concat([skippable, packed, skippable, packed]), 3)).equals(
      Buffer.concat([other, other])
    )
  )
})

needing(input, 'zstd')('zstd: says how to repack a stream that needs too large a window', async () => {
  const error = await refusal(pipe('zstd -q --long=30 -c', randomBytes(1000)))
  assert.is(error.code, 'STREAM_INVALID')
  assert.match(error.hint!, /--long=27/)
})

needing(input, 'bzip2')('bzip2: refuses a run whose length would wrap around 32 bits', async () => {
  // Level 9, one symbol "a", two tables in which RUNA is one bit, then nothing but RUNA.
  const bits = [
    ...'BZh91AY&SY'.split('').map(character => character.charCodeAt(0).toString(2).padStart(8, '0')),
    '0'.repeat(32),
    '0',
    '0'.repeat(24),
    '0000001000000000',
    '0100000000000000',
    '010',
    '000000000000010',
    '0',
    '0',
    '00001',
    '0',
    '100',
    '0',
    '00001',
    '0',
    '100',
    '0',
    '0'.repeat(4000)
  ].join('')
  const bytes = Buffer.from(bits.match(/.{8}/g)!.map(byte => Number.parseInt(byte, 2)))
  const error = await refusal(bytes)
  assert.match(error.message, /run longer than a block/)
})

input('passes a plain archive through as it is', async () => {
  const tar = archive(file('BZh9', 'abc'), header())
  assert.ok((await decode(tar, 100)).equals(tar))
  const odd = archive(file('LZIP\x1f\x8b', 'abc'))
  assert.ok((await decode(odd)).equals(odd))
})

input('refuses an empty file, and formats that it knows by name only', async () => {
  assert.match((await refusal(Buffer.alloc(0))).message, /empty/)
  for (const [hex, name] of [
    ['4c5a495001', /lzip/],
    ['5d00008000ffffffffffffffff00', /lzma/],
    ['1f9d90', /compress/],
    ['04224d18', /lz4/],
    ['504b0304', /zip/]
  ] as const) {
    const error = await refusal(Buffer.from(hex, 'hex'))
    assert.is(error.code, 'STREAM_INVALID')
    assert.match(error.message, name)
  }
})

// The check stands behind all decoders; zstd is the quickest to get beyond its floor of 1 GiB.
atCheckSize(needing(input, 'zstd'))(
  'stops a bomb, and names the flag that would let it through',
  async () => {
    const packed = pipe('zstd -qc', Buffer.alloc(1 << 24))
    const bomb = Buffer.concat(Array.from({ length: 65 }, () => packed))
    let decodedBytes = 0
    const options = { name: 'bomb', limits: { ...DEFAULT_LIMITS, expansionRatio: 10 } }
    try {
      for await (const chunk of openTarStream(chunksOf(bomb, 1 << 16), options)) decodedBytes += chunk.length
      assert.unreachable()
    } catch (error) {
      assert.instance(error, StrataError)
      assert.is((error as StrataError).code, 'LIMIT_EXCEEDED')
      assert.match((error as StrataError).hint!, /--max-ratio/)
    }
    assert.ok(decodedBytes <= 1 << 30, 'nothing beyond the floor was handed out')
  }
)

atCheckSize(needing(input, ...PROGRAMS))(
  'reads no further than it is asked to, and lets go of a source that is left',
  async () => {
    for (const program of someOf(PROGRAMS, 2)) {
      const packed = pipe(`${program} -c`, randomBytes(6_000_000))
      let isClosed = false
      let readBytes = 0
      const source = (async function* () {
        try {
          yield* chunksOf(packed, 10_000)
        } finally {
          isClosed = true
        }
      })()
      const onRead = (bytes: number) => {
        readBytes += bytes
      }
      for await (const _ of openTarStream(source, { name: 'x', limits: DEFAULT_LIMITS, onRead })) break
      assert.ok(isClosed, program)
      assert.ok(readBytes < 3_000_000, `${program} read ${readBytes} bytes for its first chunk`)
    }
  }
)

needing(input, ...PROGRAMS)("passes on a source's own error unchanged", async () => {
  const failure = new Error('the disk is gone')
  for (const program of PROGRAMS) {
    const packed = pipe(`${program} -c`, randomBytes(100_000))
    const source = (async function* () {
      yield packed.subarray(0, 50_000)
      throw failure
    })()
    try {
      for await (const _ of openTarStream(source, { name: 'x', limits: DEFAULT_LIMITS }));
      assert.unreachable(program)
    } catch (error) {
      assert.is(error, failure, program)
    }
  }
})

input.run()
