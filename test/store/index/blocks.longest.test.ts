import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import * as assert from 'uvu/assert'
import { partPath } from '../../../store/files/store-layout.ts'
import { BLOCKS, OWN_BLOCKS } from '../../../store/index/block-keys.ts'
import { rebuildBlocks } from '../../../store/index/block-rebuild.ts'
import { openBlockViews } from '../../../store/index/block-view.ts'
import { partsToNote } from '../../../store/index/block-writer.ts'
import { databaseFolders } from '../../../store/index/database-folder.ts'
import { openDatabase } from '../../../store/index/database-reader.ts'
import { KnownPlaces } from '../../../store/index/known-places.ts'
import { noteBlocks } from '../../../store/index/note-blocks.ts'
import { CompressPool } from '../../../store/object/compress-pool.ts'
import { DataWriter, type WrittenBlocks } from '../../../store/object/data-writer.ts'
import { MemorySink } from '../../../store/object/hashed-file.ts'
import type { Part } from '../../../store/object/part-list.ts'
import type { Digest } from '../../../store/values/digest.ts'
import type { Profile } from '../../../store/values/profile.ts'
import { needing } from '../../helpers/needs.ts'
import { openFiles } from '../../helpers/open-files.ts'
import { bash } from '../../helpers/real-tree.ts'
import { bySize } from '../../helpers/size.ts'
import { newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'
import { stateOf } from './indexed-store.ts'

const blocks = suite('index: packed blocks')

const PROFILE: Profile = { compressor: 'zstd', level: 3, blockSize: 4096 }

/** A file of 4 blocks and a tail, another one for each seed; every fifth one is incompressible. */
function file(seed: number): Buffer {
  if (seed % 5 === 4) return createHash('shake256', { outputLength: 17_000 }).update(`${seed}`).digest()
  let state = seed
  const words: string[] = []
  for (let i = 0; i < 4000; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    words.push(`w${state >>> 22}`)
  }
  return Buffer.from(words.join(' ')).subarray(0, 17_000)
}

const files = (from: number, to: number): Buffer[] =>
  Array.from({ length: to - from }, (_, i) => file(from + i))

interface Written {
  bytes: Buffer
  blocks: WrittenBlocks
  /** Number of blocks that were copied. */
  known: number
}

/** @param roots of the stores whose blocks are known */
async function write(
  contents: Buffer[],
  roots: string[] = [],
  workers = 2,
  profile = PROFILE
): Promise<Written> {
  const pool = new CompressPool(workers, 0)
  const known = new KnownPlaces(
    roots.map(root => ({ root, profile })),
    profile
  )
  const sink = new MemorySink()
  try {
    const writer = new DataWriter(sink, profile, pool, known)
    for (const content of contents) {
      writer.write(content)
      writer.endFile()
      await writer.drain()
    }
    const { blocks } = await writer.finish()
    return { bytes: sink.bytes(), blocks: blocks!, known: blocks!.starts.length - blocks!.packed }
  } finally {
    await pool.close()
    await known.close()
  }
}

const PART_BLOCKS = 16

/** Publishes a data file in parts of 16 blocks, with the zeros before them that the layout wants. */
function publish(root: string, { bytes, blocks: { starts } }: Written, mode = 0o444): Part[] {
  const parts: Part[] = []
  for (let i = 0; i < starts.length; i += PART_BLOCKS) {
    const start = starts[i]
    const part = bytes.subarray(start, starts[i + PART_BLOCKS] ?? bytes.length)
    const sha256 = createHash('sha256').update(part).digest('hex') as Digest
    const path = join(root, partPath(sha256))
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, Buffer.concat([Buffer.alloc(start % 4096), part]))
    chmodSync(path, mode)
    parts.push({ sha256, start, lengthBytes: part.length })
  }
  return parts
}

/** A store that has the blocks of some files. */
async function storeWith(contents: Buffer[], mode?: number) {
  const { root } = await newStore()
  const written = await write(contents)
  const parts = publish(root, written, mode)
  await noteBlocks(root, PROFILE, parts, written.blocks)
  return { root, written, parts }
}

const databases = (root: string, kind = BLOCKS): string[] =>
  databaseFolders(root, kind).map(({ path }) => join(root, path))

const keysOf = async (folder: string): Promise<Map<string, Buffer>> => {
  const db = await openDatabase(folder, BLOCKS, false)
  try {
    const keys = new Map<string, Buffer>()
    for await (const [key, value] of db.iterator())
      keys.set(Buffer.from(key).toString('latin1'), Buffer.from(value))
    return keys
  } finally {
    await db.close()
  }
}

const change = async (folder: string, changed: (value: Buffer) => Buffer): Promise<void> => {
  const db = await openDatabase(folder, BLOCKS, false)
  for await (const [key, value] of db.iterator())
    if (key[0] === 'b'.charCodeAt(0)) await db.put(key, changed(Buffer.from(value)))
  await db.close()
}

blocks('of a part are known to the next import, in one store or another, on 1, 2 and 8 workers', async () => {
  const { root, written } = await storeWith(files(0, 40))
  const other = await newStore()
  const count = written.blocks.starts.length
  for (const [roots, workers] of [
    [[root], 1],
    [[other.root, root], 2],
    [[root, other.root], 8]
  ] as const) {
    const again = await write(files(0, 40), [...roots], workers)
    assert.ok(again.bytes.equals(written.bytes))
    assert.is(again.known, count)
  }
  const more = files(0, 50)
  const mixed = await write(more, [root])
  assert.ok(mixed.bytes.equals((await write(more)).bytes))
  // Files 40 to 49 have 4 blocks each; their tails are in fragment blocks behind the known ones.
  const { packed } = mixed.blocks
  assert.ok(packed >= 40 && packed <= 55, `${packed} packed`)
})

blocks('are those of one profile: others have other bytes', async () => {
  const { root } = await storeWith(files(0, 10))
  assert.is((await write(files(0, 10), [root], 2, { ...PROFILE, level: 4 })).known, 0)
})

blocks('that a database only claims are packed', async () => {
  const { root, written } = await storeWith(files(0, 20))
  const [folder] = databases(root)
  bash('cp -a "$1" "$1.good"', folder)
  for (const [what, changed] of Object.entries({
    'other bytes': (value: Buffer) => write32(value, 4, value.readUInt32BE(4) + 1),
    'another length': (value: Buffer) => write32(value, 8, value.readUInt32BE(8) - 1),
    'beyond the part': (value: Buffer) => write32(value, 4, 0xffff_fff0),
    'no such part': (value: Buffer) => write32(value, 0, 77),
    'half a place': (value: Buffer) => value.subarray(0, 6)
  })) {
    await change(folder, changed)
    const again = await write(files(0, 20), [root])
    assert.ok(again.bytes.equals(written.bytes), what)
    assert.is(again.known, 0, what)
    bash('rm -r "$1"; cp -a "$1.good" "$1"', folder)
  }
  assert.is((await write(files(0, 20), [root])).known, written.blocks.starts.length)
})

const write32 = (value: Buffer, at: number, number: number): Buffer => {
  value.writeUInt32BE(number, at)
  return value
}

blocks('of a part that is damaged or gone, or that others can write to, are packed', async () => {
  const { root, written, parts } = await storeWith(files(0, 40))
  const all = written.blocks.starts.length
  assert.ok(parts.length > 3)
  const [flipped, gone, open] = parts.map(({ sha256 }) => join(root, partPath(sha256)))
  bash('printf X | dd of="$1" bs=1 seek=$(($(stat -c %s "$1") - 1)) conv=notrunc status=none', flipped)
  const one = await write(files(0, 40), [root])
  assert.ok(one.bytes.equals(written.bytes))
  assert.is(one.known, all - 1)
  rmSync(gone)
  chmodSync(open, 0o666)
  const less = await write(files(0, 40), [root])
  assert.ok(less.bytes.equals(written.bytes))
  assert.is(less.known, all - 1 - 2 * PART_BLOCKS)
})

blocks(
  'of parts that are not for everyone are in a database that only their publisher may read',
  async () => {
    const { root, written } = await storeWith(files(0, 20), 0o440)
    assert.equal(databases(root), [])
    const [own] = databases(root, OWN_BLOCKS)
    assert.is(bash('find "$1" -perm /077', own).toString(), '')
    assert.is((await write(files(0, 20), [root])).known, written.blocks.starts.length)
    const open = await write(files(20, 30))
    await noteBlocks(root, PROFILE, publish(root, open), open.blocks)
    const [forAll] = databases(root)
    const keys = await keysOf(forAll)
    assert.is([...keys.keys()].filter(key => key.startsWith('b')).length, open.blocks.starts.length)
    assert.is(bash('find "$1" ! -perm -444', forAll).toString(), '')
  }
)

needing(blocks, 'root')(
  'of another user’s private database, or one with a link in it, are not known',
  async () => {
    const { root, written } = await storeWith(files(0, 10))
    const [folder] = databases(root)
    const forged = join(root, 'index/blocks-12345-00000001')
    bash('mv "$1" "$2"; chown -R 12345 "$2"', folder, forged)
    assert.is((await write(files(0, 10), [root])).known, written.blocks.starts.length, 'of another user')
    bash('ln -s /etc/passwd "$1/zzz.ldb"', forged)
    assert.is((await write(files(0, 10), [root])).known, 0, 'with a link')
    bash('rm "$1/zzz.ldb"; chmod 777 "$1"', forged)
    assert.is((await write(files(0, 10), [root])).known, 0, 'writable for others')
    bash('chmod 755 "$1"; mv "$1" "$2/index/own-blocks-12345-00000001"', forged, root)
    assert.is((await write(files(0, 10), [root])).known, 0, 'private')
  }
)

needing(blocks, 'root')('are looked up though their publisher cuts the database off meanwhile', async () => {
  const { root, written } = await storeWith(files(0, 10))
  const [folder] = databases(root)
  bash('chown -R 12345 "$1"; mv "$1" "$2/index/blocks-12345-00000001"', folder, root)
  const views = await openBlockViews(root)
  bash('truncate -s 0 "$1"/index/blocks-12345-*/*.ldb', root) // LevelDB may have mapped them by now
  const { keys, starts } = written.blocks
  const hashes = Array.from(starts, (_, i) => keys.subarray(16 * i, 16 * i + 16))
  const places = await views[0].places(PROFILE, hashes)
  assert.ok(places.every(place => place !== undefined))
  for (const view of views) await view.close()
})

blocks('are looked up without a change of the store', async () => {
  const { root, written } = await storeWith(files(0, 10))
  const state = stateOf(root)
  assert.is((await write(files(0, 10), [root])).known, written.blocks.starts.length)
  assert.is(stateOf(root), state)
})

blocks(
  'are packed, with the same bytes, when their database is damaged; the next import makes another',
  async () => {
    const { root, written, parts } = await storeWith(files(0, 10))
    const count = written.blocks.starts.length
    for (const script of [
      'echo junk > "$1/CURRENT"',
      'rm "$1"/MANIFEST-*',
      'rm "$1"/*.ldb',
      'rm "$1/CURRENT"',
      'truncate -s -1000 "$1"/*.ldb',
      'rm -r "$1"'
    ]) {
      const [folder] = databases(root)
      bash(script, folder)
      const again = await write(files(0, 10), [root])
      assert.ok(again.bytes.equals(written.bytes), script)
      assert.is(again.known, 0, script)
      await noteBlocks(root, PROFILE, parts, written.blocks)
      if (script.startsWith('truncate'))
        await rebuildBlocks(root, partsToNote(PROFILE, parts, written.blocks))
      assert.is((await write(files(0, 10), [root])).known, count, script)
      assert.is(databases(root).length, 1)
    }
    assert.equal(readdirSync(join(root, 'tmp')), [])
  }
)

blocks('that are noted twice take no place twice', async () => {
  const { root, written, parts } = await storeWith(files(0, 10))
  const [folder] = databases(root)
  const before = await keysOf(folder)
  await noteBlocks(root, PROFILE, parts, written.blocks)
  assert.equal(await keysOf(folder), before)
  assert.is(before.size, 1 + 2 * parts.length + written.blocks.starts.length)
})

blocks('of parts that are gone or closed are in no database that is made anew', async () => {
  const { root, written, parts } = await storeWith(files(0, 40))
  const [gone, closed] = parts
  const paths = [gone, closed].map(({ sha256 }) => join(root, partPath(sha256)))
  rmSync(paths[0])
  chmodSync(paths[1], 0o440)
  await rebuildBlocks(root)
  const [folder, ...others] = databases(root)
  assert.equal(others, [])
  const keys = await keysOf(folder)
  assert.is(keys.size, 1 + 2 * (parts.length - 2) + written.blocks.starts.length - 2 * PART_BLOCKS)
  assert.not.ok([...keys.values()].some(value => value.toString('hex').startsWith(closed.sha256)))
  assert.not.ok(
    [...bash('cat "$1"/*', folder)].join().includes([...Buffer.from(closed.sha256, 'hex')].join())
  )
  const again = await write(files(0, 40), [root])
  assert.is(again.known, written.blocks.starts.length - 2 * PART_BLOCKS)
  await rebuildBlocks(root, partsToNote(PROFILE, parts, written.blocks))
  assert.is(
    (await write(files(0, 40), [root])).known,
    written.blocks.starts.length - PART_BLOCKS,
    'all that are there, also the closed one'
  )
})

const filesBelow = (root: string): number => openFiles().filter(path => path.startsWith(root)).length

blocks('are looked up with few files open, however many parts there are', async () => {
  const count = bySize(60, 200)
  const { root, written, parts } = await storeWith(files(0, 4 * count))
  assert.ok(parts.length > 60)
  const before = filesBelow(root)
  let most = 0
  const timer = setInterval(() => {
    most = Math.max(most, filesBelow(root))
  }, 1)
  assert.is((await write(files(0, 4 * count), [root])).known, written.blocks.starts.length)
  clearInterval(timer)
  assert.ok(most > 5 && most < before + 50, `${most - before} files`)
  assert.is(filesBelow(root), before, 'all are closed')
})

blocks('that are new and random are noted and found as raw blocks', async () => {
  const contents = [randomBytes(20_480)]
  const { root } = await storeWith(contents)
  assert.is((await write(contents, [root])).known, 5)
})

blocks.run()
