import { createHash, randomBytes } from 'node:crypto'
import { closeSync, openSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { inflateSync } from 'node:zlib'
import * as assert from 'uvu/assert'
import zstd from 'zstd-napi/binding.js'
import { packBlock } from '../../../store/object/block-codec.ts'
import { CompressPool } from '../../../store/object/compress-pool.ts'
import { DataWriter, type FinishedData } from '../../../store/object/data-writer.ts'
import { MemorySink } from '../../../store/object/hashed-file.ts'
import {
  type BlockPlace,
  type FoundBlock,
  hasPackedForm,
  type KnownBlocks,
  readKnownBlock
} from '../../../store/object/known-block.ts'
import { STORED_RAW } from '../../../store/object/layer-index.ts'
import { DEFAULT_PROFILE, type Profile } from '../../../store/values/profile.ts'
import { atAllSize } from '../../helpers/needs.ts'
import { scratch } from '../../helpers/scratch.ts'
import { someOf } from '../../helpers/size.ts'
import { suite } from '../../helpers/suite.ts'

const known = suite('objects: blocks that were packed before')
const long = atAllSize(known)

const roomsFor = (lengthBytes: number) => ({
  stored: new Uint8Array(lengthBytes),
  unpacked: new Uint8Array(2 * lengthBytes + 1024)
})

function packed(raw: Uint8Array, profile: Profile): { bytes: Uint8Array; stored: number } {
  const room = new Uint8Array(2 * raw.length + 1024)
  const stored = packBlock(raw, room, profile)
  return { bytes: stored & STORED_RAW ? raw : room.slice(0, stored), stored }
}

/** Text that packs to a third, other text for each seed. */
function text(seed: number, lengthBytes: number): Buffer {
  let state = seed
  const words: string[] = []
  for (let done = 0; done < lengthBytes; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const word = `word${state >>> 20} `
    words.push(word)
    done += word.length
  }
  return Buffer.from(words.join('')).subarray(0, lengthBytes)
}

const LENGTHS = [2000, 255, 256, 257, 16_384, 65_791, 65_792, 131_072, 200_000, 524_288, 524_289, 1 << 20]

const PROFILES: Profile[] = [
  ...Array.from({ length: 22 }, (_, i) => ({ ...DEFAULT_PROFILE, level: i + 1 })),
  ...Array.from({ length: 9 }, (_, i) => ({ ...DEFAULT_PROFILE, compressor: 'gzip' as const, level: i + 1 }))
]

long('every block that our compressors make has the form that is asked for, at each level and length', () => {
  for (const profile of someOf(PROFILES, 8))
    for (const length of someOf(LENGTHS, 6)) {
      const { bytes, stored } = packed(text(length, length), profile)
      if (stored & STORED_RAW) continue
      assert.ok(
        hasPackedForm(bytes, length, profile),
        `${profile.compressor} ${profile.level}, ${length} bytes`
      )
    }
  // Both kinds of header that level 1 writes.
  for (const length of LENGTHS) {
    const profile = { ...DEFAULT_PROFILE, level: 1 }
    assert.ok(
      hasPackedForm(packed(text(7, length), profile).bytes, length, profile),
      `level 1, ${length} bytes`
    )
  }
})

/** Writes bytes into a file and asks for the block at a place. */
function readAt(raw: Uint8Array, file: Uint8Array, place: Omit<BlockPlace, 'fd'>, profile = DEFAULT_PROFILE) {
  const path = join(scratch(), 'part')
  writeFileSync(path, file)
  const fd = openSync(path, 'r')
  try {
    return readKnownBlock(raw, { fd, ...place }, profile, roomsFor(raw.length))
  } finally {
    closeSync(fd)
  }
}

const GZIP: Profile = { ...DEFAULT_PROFILE, compressor: 'gzip', level: 6 }

known('a block is believed where its packed form lies, and nowhere else', () => {
  const raw = text(1, 131_072)
  for (const profile of [DEFAULT_PROFILE, GZIP]) {
    const { bytes, stored } = packed(raw, profile)
    const file = Buffer.concat([Buffer.alloc(100), bytes, Buffer.alloc(200)])
    assert.ok(Buffer.from(bytes).equals(readAt(raw, file, { position: 100, stored }, profile)!))
    for (const [what, place] of Object.entries({
      'a byte before': { position: 99, stored },
      'a byte behind': { position: 101, stored },
      shorter: { position: 100, stored: stored - 1 },
      longer: { position: 100, stored: stored + 1 },
      'longer, into zeros': { position: 100, stored: stored + 100 },
      empty: { position: 100, stored: 0 },
      'as long as the block': { position: 0, stored: raw.length },
      'longer than the block': { position: 0, stored: 0xff_ffff },
      'raw, and too short': { position: 100, stored: stored | STORED_RAW },
      'beyond the file': { position: 1 << 20, stored },
      'across its end': { position: file.length - 10, stored },
      'far beyond the file': { position: 2 ** 52, stored }
    }))
      assert.is(readAt(raw, file, place, profile), undefined, `${profile.compressor}: ${what}`)
    assert.is(readAt(text(2, 131_072), file, { position: 100, stored }, profile), undefined, 'another block')
    assert.is(readAt(raw.subarray(1), file, { position: 100, stored }, profile), undefined, 'another length')
  }
})

known('a packed block with a flipped bit is believed only if it unpacks to the same bytes', () => {
  const raw = text(3, 1000)
  const path = join(scratch(), 'part')
  for (const profile of [DEFAULT_PROFILE, GZIP]) {
    const { bytes, stored } = packed(raw, profile)
    const rooms = roomsFor(raw.length)
    const fd = openSync(path, 'w+')
    let refused = 0
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes)
      flipped[bit >> 3] ^= 1 << (bit & 7)
      writeSync(fd, flipped, 0, flipped.length, 0)
      if (readKnownBlock(raw, { fd, position: 0, stored }, profile, rooms) === undefined) {
        refused++
        continue
      }
      const unpacked = profile.compressor === 'gzip' ? inflateSync(flipped) : unpackFrame(flipped, raw.length)
      assert.ok(raw.equals(unpacked), `${profile.compressor}, bit ${bit}`)
    }
    closeSync(fd)
    assert.ok(refused > bytes.length * 7.8, `${refused} of ${bytes.length * 8}`)
  }
})

function unpackFrame(frame: Uint8Array, lengthBytes: number): Buffer {
  const room = Buffer.alloc(lengthBytes)
  return room.subarray(0, new zstd.DCtx().decompress(room, frame))
}

/** Frames that zstd unpacks to the same bytes, but that the kernel does not, or that we would not write. */
known('a frame with a checksum, another header, or anything behind it is not believed', () => {
  const raw = text(4, 20_000)
  const { bytes } = packed(raw, DEFAULT_PROFILE)
  const skippable = Buffer.from('502a4d180400000061626364', 'hex')
  const empty = packedEmpty()
  const forms: Record<string, Buffer> = {
    'skippable frame behind': Buffer.concat([bytes, skippable]),
    'skippable frame before': Buffer.concat([skippable, bytes]),
    'empty frame behind': Buffer.concat([bytes, empty]),
    'two frames': Buffer.concat([
      packed(raw.subarray(0, 9000), DEFAULT_PROFILE).bytes,
      packed(raw.subarray(9000), DEFAULT_PROFILE).bytes
    ]),
    checksum: compressWith(raw, cctx => cctx.setParameter(zstd.CParameter.checksumFlag, 1)),
    'no content size': compressWith(raw, cctx => cctx.setParameter(zstd.CParameter.contentSizeFlag, 0))
  }
  const room = new Uint8Array(raw.length)
  for (const [what, frame] of Object.entries(forms)) {
    assert.ok(frame.length < raw.length)
    assert.is(new zstd.DCtx().decompress(room, frame), raw.length, `${what} unpacks`)
    assert.ok(raw.equals(room), `${what} unpacks to the block`)
    assert.is(readAt(raw, frame, { position: 0, stored: frame.length }), undefined, what)
  }
})

const packedEmpty = (): Buffer => {
  const room = new Uint8Array(100)
  return Buffer.from(room.slice(0, new zstd.CCtx().compress(room, new Uint8Array(0), 15)))
}

function compressWith(raw: Uint8Array, set: (cctx: zstd.CCtx) => void): Buffer {
  const room = new Uint8Array(2 * raw.length + 1024)
  const cctx = new zstd.CCtx()
  set(cctx)
  return Buffer.from(room.slice(0, cctx.compress2(room, raw)))
}

known('a block is believed to be incompressible only if it is', () => {
  const noise = randomBytes(50_000)
  const stored = noise.length | STORED_RAW
  for (const profile of [DEFAULT_PROFILE, GZIP]) {
    assert.ok(noise.equals(readAt(noise, noise, { position: 0, stored }, profile)!))
    const words = text(5, 50_000)
    assert.is(readAt(words, words, { position: 0, stored }, profile), undefined)
    assert.is(readAt(noise, Buffer.alloc(50_000), { position: 0, stored }, profile), undefined, 'other bytes')
  }
})

const PROFILE: Profile = { compressor: 'zstd', level: 6, blockSize: 4096 }

async function written(files: Buffer[], workers: number, blocks?: KnownBlocks) {
  const pool = new CompressPool(workers, 0)
  const sink = new MemorySink()
  try {
    const writer = new DataWriter(sink, PROFILE, pool, blocks)
    for (const file of files) {
      writer.write(file)
      writer.endFile()
      await writer.drain()
    }
    const finished = await writer.finish()
    const { starts, packed: count } = finished.blocks!
    return { finished, bytes: sink.bytes(), copied: starts.length - count }
  } finally {
    await pool.close()
  }
}

/** All blocks of a data file, found after a moment. `changed` may lie about a place. */
class InMemory implements KnownBlocks {
  readonly #places = new Map<string, Omit<BlockPlace, 'fd'>>()
  readonly path = join(scratch(), 'data')
  readonly #fd: number
  held = 0
  asked = 0

  constructor(
    { blocks }: FinishedData,
    bytes: Uint8Array,
    changed = (place: Omit<BlockPlace, 'fd'>) => place
  ) {
    const { keys, starts, stored } = blocks!
    for (let i = 0; i < starts.length; i++)
      this.#places.set(
        Buffer.from(keys.subarray(16 * i, 16 * i + 16)).toString('hex'),
        changed({ position: starts[i], stored: stored[i] })
      )
    writeFileSync(this.path, bytes)
    this.#fd = openSync(this.path, 'r')
  }

  get size(): number {
    return this.#places.size
  }

  async find(hash: Uint8Array): Promise<FoundBlock | undefined> {
    this.asked++
    await new Promise(resolve => setTimeout(resolve, this.asked % 7))
    const place = this.#places.get(Buffer.from(hash).toString('hex', 0, 16))
    if (place === undefined) return undefined
    this.held++
    return { fd: this.#fd, ...place, release: () => this.held-- }
  }
}

const FILES = [
  ...Array.from({ length: 40 }, (_, i) => text(i, 500 + 900 * i)),
  randomBytes(20_000),
  text(41, 100_000),
  text(40, 36_000)
]

long('a data file has the same bytes whatever was known before, on 1, 2 and 8 workers', async () => {
  const wanted = await written(FILES, 2)
  const all = wanted.finished.blocks!.starts.length
  assert.is(wanted.copied, 0)
  const half = await written(FILES.slice(20), 2)
  for (const workers of [1, 2, 8])
    for (const [{ finished, bytes }, isAll] of [
      [wanted, true],
      [half, false]
    ] as const) {
      const blocks = new InMemory(finished, bytes)
      const again = await written(FILES, workers, blocks)
      assert.ok(again.bytes.equals(wanted.bytes), `${workers} workers`)
      assert.equal(again.finished.tables, wanted.finished.tables)
      const { packed: _, ...places } = again.finished.blocks!
      const { packed: _all, ...wantedPlaces } = wanted.finished.blocks!
      const { copied } = again
      assert.equal(places, wantedPlaces)
      assert.ok(isAll ? copied === all : copied > all / 3 && copied < all, `${copied} of ${all} copied`)
      assert.is(blocks.held, 0, 'all were given back')
    }
})

long('places that lie, and files that are cut off, only cost the packing', async () => {
  const wanted = await written(FILES, 2)
  for (const [what, changed] of Object.entries({
    nowhere: ({ stored }: Omit<BlockPlace, 'fd'>) => ({ position: 2 ** 40, stored }),
    'the next byte': ({ position, stored }: Omit<BlockPlace, 'fd'>) => ({ position: position + 1, stored }),
    'one byte more': ({ position, stored }: Omit<BlockPlace, 'fd'>) => ({ position, stored: stored + 1 }),
    'raw blocks': ({ position, stored }: Omit<BlockPlace, 'fd'>) => ({
      position,
      stored: stored & STORED_RAW ? 0 : 4096 | STORED_RAW
    })
  })) {
    const again = await written(FILES, 2, new InMemory(wanted.finished, wanted.bytes, changed))
    assert.ok(again.bytes.equals(wanted.bytes), what)
    assert.is(again.copied, 0, what)
  }
  const cut = new InMemory(wanted.finished, wanted.bytes)
  truncateSync(cut.path, wanted.bytes.length >>> 1)
  const again = await written(FILES, 2, cut)
  assert.ok(again.bytes.equals(wanted.bytes))
  const { copied } = again
  const { starts } = again.finished.blocks!
  assert.ok(copied > 0 && copied < starts.length, `${copied} of ${starts.length}`)
})

known(
  'the places that are noted are those of the blocks, also behind a file that was there before',
  async () => {
    const files = [text(1, 40_000), text(2, 3000), text(1, 40_000), randomBytes(9000), text(3, 50_000)]
    const { finished, bytes } = await written(files, 2)
    const { keys, starts, stored } = finished.blocks!
    const { blockStored, fragmentStored } = finished.tables
    assert.equal([...stored].sort(), [...blockStored, ...fragmentStored].filter(Boolean).sort())
    const raws = new Map<string, Buffer>()
    for (const file of files)
      for (let at = 0; at + 4096 <= file.length; at += 4096) {
        const raw = file.subarray(at, at + 4096)
        raws.set(createHash('sha256').update(raw).digest('hex').slice(0, 32), raw)
      }
    let found = 0
    for (let i = 0; i < starts.length; i++) {
      const raw = raws.get(Buffer.from(keys.subarray(16 * i, 16 * i + 16)).toString('hex'))
      if (raw === undefined) continue // a fragment block
      found++
      assert.ok(
        readAt(raw, bytes, { position: starts[i], stored: stored[i] }, PROFILE) !== undefined,
        `block ${i}`
      )
    }
    assert.is(found, raws.size)
  }
)

known.run()
