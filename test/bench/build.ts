/**
 * `compose build` of several layers against what people do today, in one run on the same tarballs: unpack them and run
 * mksquashfs (zstd's default level there, 15), tar2sqfs at level 3, and against the physical limit, `cp` of the image.
 * With and without flushing on both sides; the sandbox against `tar -xp`.
 *
 *   node dist/test/bench/build.js [--quick] [--level N] FOLDER TARBALL...
 *
 * FOLDER is on the file system to measure: XFS or btrfs share the blocks. The tarballs are layers, bottom to top.
 * --level is that of the store (15): importing takes longest. --quick leaves out the two peers that take minutes. Needs root, squashfs-tools and squashfs-tools-ng.
 */
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { describeRun, median, megabytes, renderTable, spread } from './helpers/report.ts'
import { type Measured, runCompose, runMeasured } from './helpers/run-measured.ts'

const RUNS = 5
const SLOW_RUNS = 1

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false }, level: { type: 'string', default: '15' } }
})
const { quick: isQuick, level } = values
const [folder, ...tarballs] = positionals
if (tarballs.length === 0) throw new Error('usage: build.js [--quick] [--level N] FOLDER TARBALL...')

const work = mkdtempSync(join(folder, 'strata-bench-'))
const store = join(work, 'store')
const image = join(work, 'image.sqfs')
const sh = (script: string, ...args: string[]) => runMeasured('sh', ['-ec', script, 'sh', ...args])

interface Candidate {
  name: string
  runs: number
  /** Before each run, not measured. */
  prepare?: () => Promise<unknown>
  run(): Promise<Measured>
}

const fresh = (path: string) => async () => rmSync(path, { recursive: true, force: true })
const copy = join(work, 'copy.sqfs')
const tree = join(work, 'tree')

const candidates: Candidate[] = [
  { name: 'compose build --no-sync', runs: RUNS, prepare: fresh(image), run: () => build('--no-sync') },
  {
    name: 'cp',
    runs: RUNS,
    prepare: fresh(copy),
    run: () => runMeasured('cp', ['--reflink=never', image, copy])
  },
  { name: 'compose build', runs: RUNS, prepare: fresh(image), run: () => build() },
  {
    name: 'cp, sync',
    runs: RUNS,
    prepare: fresh(copy),
    run: () => sh('cp --reflink=never "$1" "$2"; sync "$2"', image, copy)
  },
  {
    name: 'compose build --sandbox',
    runs: 3,
    prepare: fresh(tree),
    run: () => runCompose(store, ['build', '--sandbox', tree, '--bare', ...UPPER, ...modules()])
  },
  {
    name: 'tar -xp',
    runs: 3,
    prepare: async () => {
      rmSync(tree, { recursive: true, force: true })
      mkdirSync(tree)
    },
    run: () => unpack()
  },
  { name: 'tar2sqfs -X level=3', runs: isQuick ? 0 : 3, prepare: unpacked, run: () => tar2sqfs() },
  {
    name: 'tar -xp, mksquashfs',
    runs: isQuick ? 0 : SLOW_RUNS,
    prepare: fresh(tree),
    run: () =>
      sh(
        'mkdir "$1"; out="$2"; tree="$1"; shift 2; for t; do tar --xattrs --acls -xpf "$t" -C "$tree"; done; exec mksquashfs "$tree" "$out" -comp zstd -noappend -no-progress -quiet',
        tree,
        copy,
        ...tarballs
      )
  }
]

const modules = () => tarballs.map((_, i) => moduleName(i))
const moduleName = (i: number) => (i === 0 ? 'base/bench-0' : `lib/bench${i}-1`)

const UPPER = ['--on-conflict', 'upper']
const build = (...flags: string[]) => runCompose(store, ['build', image, ...modules(), ...UPPER, ...flags])
const unpack = () => sh('tree="$1"; shift; for t; do tar -xpf "$t" -C "$tree"; done', tree, ...tarballs)

/** One tarball of all layers together: what tar2sqfs reads. Made once, not measured. */
let merged: string | undefined
async function unpacked(): Promise<void> {
  rmSync(copy, { force: true })
  if (merged !== undefined) return
  merged = join(work, 'merged.tar')
  rmSync(tree, { recursive: true, force: true })
  mkdirSync(tree)
  await unpack()
  await runMeasured('tar', ['-C', tree, '-cf', merged, '.'])
}
const tar2sqfs = () =>
  runMeasured('tar2sqfs', ['-q', '-c', 'zstd', '-X', 'level=3', '-j', String(availableParallelism()), copy], {
    stdin: merged
  })

try {
  await runCompose(store, ['init', '--level', level])
  for (const [i, tarball] of tarballs.entries())
    await runCompose(store, ['import', moduleName(i), tarball, '--allow-privileged', '--replace'])
  const seconds = new Map<string, number[]>()
  const sizes = new Map<string, number>()
  for (let round = 0; round < RUNS; round++)
    for (const { name, runs, prepare, run } of candidates) {
      if (round >= runs) continue
      await prepare?.()
      seconds.set(name, [...(seconds.get(name) ?? []), (await run()).seconds])
      if (/squashfs|sqfs|build( --no-sync)?$/.test(name))
        sizes.set(name, statSync(name.startsWith('compose') ? image : copy).size)
    }
  const own = median(seconds.get('compose build --no-sync')!)
  console.log(`${describeRun()}\n`)
  console.log(
    renderTable(
      ['', 'seconds', 'times compose build --no-sync', 'image MB'],
      [...seconds].map(([name, times]) => [
        name,
        spread(times),
        (median(times) / own).toFixed(2),
        sizes.has(name) ? megabytes(sizes.get(name)!) : ''
      ])
    )
  )
} finally {
  rmSync(work, { recursive: true, force: true })
}
