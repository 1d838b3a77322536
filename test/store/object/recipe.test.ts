import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { CompressPool, InlinePacker } from '../../../store/object/compress-pool.ts'
import { DataWriter } from '../../../store/object/data-writer.ts'
import { HashedFile, MemorySink } from '../../../store/object/hashed-file.ts'
import type { DataTables } from '../../../store/object/layer-index.ts'
import { RecipeWriter, readRecipe, reconstructTar } from '../../../store/object/recipe.ts'
import type { Profile } from '../../../store/values/profile.ts'
import { atCheckSize } from '../../helpers/needs.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'

const recipes = suite('recipe')
const long = atCheckSize(recipes)

const PROFILE: Profile = { compressor: 'zstd', level: 1, blockSize: 4096 }

interface Pieces {
  literal?: Buffer
  /** A file whose bytes from..to come next. */
  file?: { bytes: Buffer; from?: number; to?: number }
}

async function withFiles<T>(use: (data: FileHandle, recipe: FileHandle) => Promise<T>): Promise<T> {
  const folder = scratch()
  const [data, recipe] = [await open(join(folder, 'data'), 'w+'), await open(join(folder, 'recipe'), 'w+')]
  try {
    return await use(data, recipe)
  } finally {
    await data.close()
    await recipe.close()
  }
}

async function write(data: FileHandle, recipe: FileHandle, pieces: Pieces[]): Promise<Buffer> {
  const pool = new CompressPool(2, 0)
  try {
    const sink = new MemorySink()
    const contents = new DataWriter(sink, PROFILE, pool)
    const writer = new RecipeWriter(new HashedFile(recipe), pool)
    const wanted: Buffer[] = []
    for (const { literal, file } of pieces) {
      if (literal !== undefined) {
        writer.literal(literal)
        wanted.push(literal)
      }
      if (file !== undefined) {
        const { bytes, from = 0, to = bytes.length } = file
        contents.write(bytes)
        writer.content(contents.endFile(), from, to - from)
        wanted.push(bytes.subarray(from, to))
      }
      await contents.drain()
      await writer.drain()
    }
    const { tables, dataSha256 } = await contents.finish()
    await data.write(sink.bytes())
    await writer.finish(tables, PROFILE, dataSha256)
    return Buffer.concat(wanted)
  } finally {
    await pool.close()
  }
}

async function cooked(data: FileHandle, recipe: FileHandle): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of reconstructTar(await readRecipe(recipe), recipe, data.fd))
    pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}

const bytes = (lengthBytes: number, seed = 1): Buffer => {
  let state = seed
  return Buffer.from(
    Array.from({ length: lengthBytes }, () => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0
      return state >>> 24
    })
  )
}

recipes('gives literals and ranges of files back in their order', () =>
  withFiles(async (data, recipe) => {
    const wanted = await write(data, recipe, [
      { literal: bytes(512) },
      { file: { bytes: bytes(10_000, 2) } },
      { file: { bytes: bytes(4096, 3) } },
      { literal: bytes(2_500_000, 4), file: { bytes: bytes(4096 * 3 + 1, 5), from: 4000, to: 8200 } },
      { file: { bytes: bytes(10_000, 2), from: 9999 } },
      { file: { bytes: Buffer.alloc(50_000), from: 100, to: 40_000 } },
      { file: { bytes: bytes(100, 6), from: 50, to: 60 } },
      { literal: Buffer.alloc(10_240) }
    ])
    assert.ok((await cooked(data, recipe)).equals(wanted))
    assert.is((await readRecipe(recipe)).sizeBytes, wanted.length)
  })
)

recipes('of nothing at all is nothing', () =>
  withFiles(async (data, recipe) => {
    await write(data, recipe, [])
    assert.is((await cooked(data, recipe)).length, 0)
  })
)

/** Tables that do not compress to less than 16 MiB, as a layer of a million files has. */
long('may have tables of more than 16 MiB', () =>
  withFiles(async (_data, recipe) => {
    const writer = new RecipeWriter(new HashedFile(recipe), new InlinePacker())
    const noise = bytes(1 << 20, 7)
    const steps = 1_300_000
    const at = (i: number) => (i * 13) % (noise.length - 8)
    for (let i = 0; i < steps; i++) writer.content(noise.readUInt32LE(at(i)) % steps, 0, 1)
    const column = (value: (i: number) => number) => Array.from({ length: steps }, (_, i) => value(i))
    const none = {
      contentSize: new Float64Array(steps).fill(1),
      contentStart: Float64Array.from(column(i => noise.readUIntLE(at(i), 6))),
      contentFirstBlock: Uint32Array.from(column(i => noise.readUInt32LE(at(i) + 2))),
      contentFragment: new Uint32Array(steps),
      contentFragmentOffset: Uint32Array.from(column(i => noise.readUInt16LE(at(i)) % 4096)),
      blockStored: new Uint32Array(),
      fragmentStart: new Float64Array(1),
      fragmentStored: new Uint32Array(1),
      fragmentBytes: Uint32Array.of(4096)
    } as DataTables
    await writer.finish(none, PROFILE, Buffer.alloc(32))
    const { size } = await recipe.stat()
    assert.ok(size > 1 << 24 && size < 1 << 25, `${size} bytes test nothing`)
    const { columns } = await readRecipe(recipe)
    assert.is(columns.stepContent.length, steps + 1)
    assert.is(columns.stepContent[5], noise.readUInt32LE(65) % steps)
  })
)

const cutOff: [title: string, change: (file: FileHandle, size: number) => Promise<unknown>][] = [
  ['cut short', (file, size) => file.truncate(size - 1)],
  ['empty', file => file.truncate(0)],
  ['longer', (file, size) => file.truncate(size + 512)],
  ['of another version', (file, size) => file.write(Buffer.from([9]), 0, 1, size - 120)],
  ['of impossible sizes', (file, size) => file.write(Buffer.alloc(8, 0xff), 0, 8, size - 96)],
  ['with changed tables', (file, size) => file.write(Buffer.from([0x55, 0xaa]), 0, 2, size - 160)]
]

for (const [title, change] of cutOff)
  recipes(`one that is ${title} is refused`, () =>
    withFiles(async (data, recipe) => {
      await write(data, recipe, [{ literal: bytes(3000), file: { bytes: bytes(9000, 2) } }])
      await change(recipe, (await recipe.stat()).size)
      const outcome = await cooked(data, recipe).then(
        () => undefined,
        error => error
      )
      assert.instance(outcome, RangeError)
    })
  )

recipes.run()
