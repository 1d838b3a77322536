import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { CompressPool, InlinePacker, type Packer } from '../../../store/object/compress-pool.ts'
import { DataWriter } from '../../../store/object/data-writer.ts'
import { MemorySink } from '../../../store/object/hashed-file.ts'
import type { Profile } from '../../../store/values/profile.ts'
import { COMPOSE } from '../../helpers/compose.ts'
import { hostLayer, sha256OfFile } from '../../helpers/layers.ts'
import { needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { someOf } from '../../helpers/size.ts'
import { suite } from '../../helpers/suite.ts'
import { composed } from '../../helpers/warm-compose.ts'

const determinism = suite('objects: same input, same bytes')

/** All that a store holds but names of modules, by content. */
const portraitOf = (root: string): string =>
  bash(
    'cd "$1"; find blobs data parts objects -type f ! -name "*.checked" | LC_ALL=C sort | xargs sha256sum',
    root
  ).toString()

const SURROUNDINGS: [title: string, prefix: string[], env: NodeJS.ProcessEnv][] = [
  ['one core', ['taskset', '-c', '0'], {}],
  ['another umask', ['sh', '-c', 'umask 0077; exec "$@"', 'sh'], {}],
  ['another time zone and language', [], { TZ: 'Asia/Kathmandu', LANG: 'tr_TR.UTF-8', LC_ALL: 'tr_TR.UTF-8' }]
]

let host: string | undefined
const hostTar = (): string => {
  host ??= hostLayer()
  return host
}

function storeOf(init: string[], prefix: string[] = [], env: NodeJS.ProcessEnv = {}): string {
  const root = join(scratch(), 'store')
  composed(root, ['init', ...init])
  const [program, ...args] = [...prefix, process.execPath, COMPOSE, 'import', 'base/host-1', hostTar()]
  const { status, stderr } = spawnSync(program, args, {
    env: { PATH: process.env.PATH, COMPOSE_STORE: root, ...env }
  })
  assert.is(status, 0, stderr.toString())
  return root
}

needing(determinism, 'taskset')('whatever the cores, the umask, the time zone and the language', () => {
  // Levels 5 to 12 search by rows, those above by trees: both kinds keep state between blocks.
  for (const level of someOf(['6', '13'], 1)) {
    const wanted = portraitOf(storeOf(['--level', level]))
    for (const [title, prefix, env] of SURROUNDINGS)
      assert.is(portraitOf(storeOf(['--level', level], prefix, env)), wanted, title)
  }
})

for (const init of someOf(
  [
    ['--level', '1', '--block', '4K'],
    ['--comp', 'gzip', '--level', '6'],
    ['--level', '1', '--block', '1M']
  ],
  1
))
  determinism(`comes back byte for byte, and checks, with init ${init.join(' ')}`, () => {
    const root = storeOf(init)
    const out = scratch()
    composed(root, ['export', 'base/host', out])
    assert.is(sha256OfFile(join(out, 'layer.tar')), sha256OfFile(hostTar()))
    assert.equal(composed(root, ['fsck']).findings, [])
  })

const PROFILE: Profile = { compressor: 'zstd', level: 6, blockSize: 4096 }

/** Files of awkward sizes, some equal, pushed in pieces of awkward lengths. */
async function writtenBy(packer: Packer, files: Buffer[], pieceBytes: number, profile = PROFILE) {
  const sink = new MemorySink()
  const writer = new DataWriter(sink, profile, packer)
  const contents: number[] = []
  for (const file of files) {
    for (let at = 0; at < file.length; at += pieceBytes) writer.write(file.subarray(at, at + pieceBytes))
    contents.push(writer.endFile())
    await writer.drain()
  }
  const finished = await writer.finish()
  return { contents, finished, bytes: sink.bytes() }
}

const noise = (seed: number, lengthBytes: number): Buffer => {
  let state = seed
  return Buffer.from(
    Array.from({ length: lengthBytes }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return (state >>> 24) & 0x3f
    })
  )
}

const FILES: Buffer[] = [
  ...[0, 1, 4095, 4096, 4097, 8192, 100_000, 3000, 2000].map((size, i) => noise(i, size)),
  noise(6, 100_000), // as the seventh
  Buffer.alloc(20_000),
  Buffer.alloc(0),
  Buffer.concat([Buffer.alloc(4096), noise(7, 4096), Buffer.alloc(4096)]),
  ...Array.from({ length: 60 }, (_, i) => noise(i % 40, 500 + 97 * (i % 40)))
]

determinism('whoever packs, and however the bytes come', async () => {
  const many = new CompressPool(4, 0)
  const one = new CompressPool(1, 0)
  try {
    const wanted = await writtenBy(new InlinePacker(), FILES, 1000)
    for (const [packer, pieceBytes] of [
      [many, 1000],
      [many, 1 << 20],
      [one, 77],
      [one, 4096]
    ] as const) {
      const { contents, finished, bytes } = await writtenBy(packer, FILES, pieceBytes)
      assert.equal(contents, wanted.contents)
      assert.equal(finished.dataSha256, wanted.finished.dataSha256)
      assert.ok(bytes.equals(wanted.bytes))
      for (const [name, column] of Object.entries(wanted.finished.tables))
        assert.equal(finished.tables[name as keyof typeof finished.tables], column, name)
    }
  } finally {
    await many.close()
    await one.close()
  }
})

determinism('equal files are stored once, wherever they come', async () => {
  const [a, b] = [noise(1, 50_000), noise(2, 50_000)]
  const pool = new CompressPool(2, 0)
  try {
    const once = await writtenBy(pool, [a, b], 4096)
    const often = await writtenBy(pool, [a, a, b, a, b, b], 4096)
    assert.equal(often.contents, [0, 0, 1, 0, 1, 1])
    assert.ok(often.bytes.equals(once.bytes))
    assert.equal(often.finished.tables, once.finished.tables)
  } finally {
    await pool.close()
  }
})

determinism('a packer that answers in buffers of its own does not disturb later files', async () => {
  const profile: Profile = { compressor: 'zstd', level: 3, blockSize: 131_072 }
  const files = [noise(1, 40_000), noise(2, 100_000), noise(3, 120_000), noise(4, 300_000), noise(5, 90_000)]
  const inline = await writtenBy(new InlinePacker(), files, 1 << 20, profile)
  const pool = new CompressPool(2, 0)
  const pooled = await writtenBy(pool, files, 1 << 20, profile)
  await pool.close()
  assert.ok(inline.bytes.equals(pooled.bytes))
})

determinism('files that are equal in a tar share their bytes in the store', () => {
  const folder = scratch()
  bash('cd "$1"; head -c 2M /dev/urandom > a; cp a b; cp a c; tar -cf t.tar a b c', folder)
  const root = join(folder, 'store')
  composed(root, ['init', '--level', '1'])
  const [layer] = composed(root, ['import', 'base/a-1', join(folder, 't.tar')]).layers
  assert.is(layer.bytes, 3 * 2 ** 21)
  assert.ok(layer.dataBytes < 2 ** 21 + 4096, String(layer.dataBytes))
  assert.is(layer.tarBytes, readFileSync(join(folder, 't.tar')).length)
})

determinism.run()
