/**
 * Looking blocks up in a database of many: its size on disk, how long a batch takes when the blocks are there and when
 * they are not, with the files in memory and not, and how long it takes to note them.
 *
 *   node dist/test/bench/look-up.js [KEYS [BATCH]]
 */
import { execFileSync } from 'node:child_process'
import { createCipheriv, createHash } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { initStore } from '../../store/files/store.ts'
import { partPath } from '../../store/files/store-layout.ts'
import { BLOCKS } from '../../store/index/block-keys.ts'
import { openBlockViews } from '../../store/index/block-view.ts'
import { addParts, type BlockInPart, type PartToNote } from '../../store/index/block-writer.ts'
import { databaseFolders } from '../../store/index/database-folder.ts'
import { KEY_BYTES } from '../../store/object/known-block.ts'
import type { Digest } from '../../store/values/digest.ts'
import { DEFAULT_PROFILE } from '../../store/values/profile.ts'
import { describeRun, renderTable, spread } from './helpers/report.ts'

const [keys, batch] = (([count = '20000000', size = '16']) => [Number(count), Number(size)])(
  process.argv.slice(2)
)
/** Blocks of 40 KiB in a part of 8 MiB. */
const BLOCKS_A_PART = 200
const STORED = 40 << 10
const BLOCKS_A_TERABYTE = 1e12 / DEFAULT_PROFILE.blockSize
const ASKED = 20_000
/** Parts that are noted one by one. */
const MORE = 20
/** Parts whose keys are noted in one run of the writer. */
const PARTS_AT_ONCE = 5000

const folder = mkdtempSync(join(tmpdir(), 'strata-bench-'))
process.on('exit', () => rmSync(folder, { recursive: true }))
const root = join(folder, 'store')
await initStore(root, DEFAULT_PROFILE)

/** The hash of block `i`: as random as SHA-256, and computed again when it is asked for. */
function hashOf(i: number): Buffer {
  const counter = Buffer.alloc(16)
  counter.writeDoubleLE(i)
  const cipher = createCipheriv('aes-128-ecb', Buffer.alloc(16), null).setAutoPadding(false)
  return cipher.update(counter).subarray(0, KEY_BYTES)
}

/** All hashes of a part in one call. */
function blocksOfPart(part: number): BlockInPart[] {
  const counters = Buffer.alloc(16 * BLOCKS_A_PART)
  for (let i = 0; i < BLOCKS_A_PART; i++) counters.writeDoubleLE(part * BLOCKS_A_PART + i, 16 * i)
  const cipher = createCipheriv('aes-128-ecb', Buffer.alloc(16), null).setAutoPadding(false)
  const hashes = cipher.update(counters)
  return Array.from({ length: BLOCKS_A_PART }, (_, i) => ({
    hash: hashes.subarray(16 * i, 16 * i + KEY_BYTES),
    offset: i * STORED,
    stored: STORED + (hashes[16 * i] << 4)
  }))
}

/** A part that is there, so that its blocks are noted; its bytes do not matter. */
function part(number: number): PartToNote {
  const sha256 = createHash('sha256').update(`part ${number}`).digest('hex') as Digest
  const path = join(root, partPath(sha256))
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, '')
  chmodSync(path, 0o444)
  return {
    sha256,
    lengthBytes: BLOCKS_A_PART * STORED,
    profile: DEFAULT_PROFILE,
    blocks: async () => blocksOfPart(number)
  }
}

async function timed<T>(work: () => Promise<T>): Promise<[number, T]> {
  const start = performance.now()
  const result = await work()
  return [performance.now() - start, result]
}

const parts = Math.ceil(keys / BLOCKS_A_PART)
let notingMs = 0
for (let first = 0; first < parts; first += PARTS_AT_ONCE) {
  const some = Array.from({ length: Math.min(PARTS_AT_ONCE, parts - first) }, (_, i) => part(first + i))
  notingMs += (await timed(() => addParts(root, some)))[0]
}
const [database] = databaseFolders(root, BLOCKS).map(({ path }) => join(root, path))
const tables = readdirSync(database).map(name => join(database, name))
const bytes = tables.reduce((sum, path) => sum + statSync(path).size, 0)

/** Takes the files out of the page cache. */
function forget(): void {
  execFileSync('sync')
  for (const path of tables) execFileSync('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none'])
}

let seed = 1
const random = (below: number): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return Math.floor((seed / 2 ** 32) * below)
}
/** Blocks of an import lie together in parts; here each batch is of another part. */
const hits = () => {
  const first = random(keys - batch)
  return Array.from({ length: batch }, (_, i) => hashOf(first + i))
}
const misses = () => Array.from({ length: batch }, () => hashOf(keys + random(2 ** 50)))

const rows: string[][] = []
for (const [name, isCold, ask] of [
  ['hit, cold', true, hits],
  ['hit, warm', false, hits],
  ['miss, cold', true, misses],
  ['miss, warm', false, misses]
] as const) {
  if (isCold) forget()
  const [openMs, [view]] = await timed(() => openBlockViews(root))
  const rounds = Array.from({ length: ASKED / batch }, ask)
  let found = 0
  const [ms] = await timed(async () => {
    for (const hashes of rounds) {
      const places = await view.places(DEFAULT_PROFILE, hashes)
      found += places.filter(place => place !== undefined).length
    }
  })
  await view.close()
  const asked = rounds.length * batch
  if (found !== (ask === hits ? asked : 0)) throw new Error(`${name}: ${found} of ${asked} found`)
  rows.push([name, ((ms * 1000) / asked).toFixed(1), openMs.toFixed(0)])
}

const more: number[] = []
for (let i = 0; i < MORE; i++) more.push((await timed(() => addParts(root, [part(parts + i)])))[0])
console.log(`${describeRun()}\n`)
console.log(renderTable([`${keys} keys, ${batch} at once`, 'µs a block', 'ms to open'], rows))
console.log(
  `${(bytes / 1e6).toFixed(0)} MB in ${tables.length} files, ${(bytes / keys).toFixed(1)} bytes a key`
)
console.log(`1 TB of blocks of 128 KiB: ${(((bytes / keys) * BLOCKS_A_TERABYTE) / 1e6).toFixed(0)} MB`)
console.log(
  `noted at ${((notingMs * 1000) / keys).toFixed(1)} µs a block; one part more takes ${spread(more)} ms`
)
