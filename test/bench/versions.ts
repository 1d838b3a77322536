/**
 * What a second version of a layer costs, beside `restic backup` of the same trees: time, and growth of the store.
 *
 *   node dist/test/bench/versions.js [--level N] FIRST.tar [SECOND.tar]...
 *
 * Each SECOND is another version of FIRST. Besides, versions of FIRST are made: with a small new file, with a new file
 * that comes first, with the largest library changed, and with 1% of the blocks of a file of 200 MB changed. Needs root,
 * for the owners in the trees. Each pair begins with an empty store, and with an empty repository of restic.
 */
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { DEFAULT_PROFILE } from '../../store/values/profile.ts'
import { bash } from '../helpers/real-tree.ts'
import { describeRun, megabytes, renderTable } from './helpers/report.ts'
import { ENVIRONMENT, type Measured, runCompose, runMeasured } from './helpers/run-measured.ts'

const { values, positionals } = parseArgs({
  options: { level: { type: 'string', default: String(DEFAULT_PROFILE.level) } },
  allowPositionals: true
})
const [first, ...seconds] = positionals
if (first === undefined) throw new Error('usage: versions.js [--level N] FIRST.tar [SECOND.tar]...')

interface Pair {
  name: string
  tars: string[]
}

const folder = mkdtempSync(join(tmpdir(), 'strata-bench-'))
const tree = join(folder, 'tree')
const LARGE_BYTES = 200 << 20
const BLOCK = DEFAULT_PROFILE.blockSize

const unpack = (tar: string): void => {
  bash('rm -rf "$1"; mkdir "$1"; tar --numeric-owner --xattrs -xpf "$2" -C "$1"', tree, tar)
}

/** Packs the tree, sorted, so that a change in it moves nothing else. */
function pack(name: string): string {
  const tar = join(folder, `${name}.tar`)
  bash('tar --sort=name --numeric-owner -cf "$2" -C "$1" .', tree, tar)
  return tar
}

/** Text that packs to about half: numbers, as in tables of results. */
function writeLarge(path: string): void {
  bash('seq -f %.12g 1 0.37 9000000 | head -c "$2" > "$1"', path, String(LARGE_BYTES))
}

/** Changes one block in a hundred, spread over the file. */
function changeBlocks(path: string): void {
  const file = openSync(path, 'r+')
  for (let at = 0; at < statSync(path).size; at += 100 * BLOCK) writeSync(file, 'changed', at + 1000)
  closeSync(file)
}

function* madePairs(): Generator<Pair> {
  unpack(first)
  const before = pack('first')
  writeFileSync(join(tree, 'usr-new-file'), 'x'.repeat(20_000))
  yield { name: 'a small new file', tars: [before, pack('new-file')] }
  bash('rm "$1/usr-new-file"; head -c 3000001 /dev/urandom > "$1/00-first"', tree)
  yield { name: 'a new file of 3 MB at the front', tars: [before, pack('at-front')] }
  bash(
    `rm "$1/00-first"; cd "$1"; lib=$(find . -type f -name '*.so*' -printf '%s %p\\n' | sort -n | tail -1 | cut -d' ' -f2-)
    head -c "$(stat -c %s "$lib")" /dev/urandom > "$lib"`,
    tree
  )
  yield { name: 'the largest library changed', tars: [before, pack('library')] }
  unpack(first)
  writeLarge(join(tree, 'results'))
  const large = pack('large')
  changeBlocks(join(tree, 'results'))
  yield { name: '1% of the blocks of 200 MB changed', tars: [large, pack('blocks')] }
}

const bytesIn = (path: string): number =>
  Number(bash('du -s --apparent-size -B1 "$1" | cut -f1', path).toString())

interface Cost extends Measured {
  /** Bytes by which the store grew. */
  grownBytes: number
}

async function measured(store: string, run: () => Promise<Measured>): Promise<Cost> {
  const before = bytesIn(store)
  return { ...(await run()), grownBytes: bytesIn(store) - before }
}

async function importBoth(tars: string[]): Promise<Cost[]> {
  const store = join(folder, 'store')
  await runCompose(store, ['init', '--level', values.level])
  const costs: Cost[] = []
  for (const [i, tar] of tars.entries())
    costs.push(
      await measured(store, () =>
        runCompose(store, ['import', `app/bench-${i + 1}`, tar, '--allow-privileged'])
      )
    )
  rmSync(store, { recursive: true })
  return costs
}

/** `restic backup` of the unpacked trees, which it reads instead of a tarball. */
async function backUpBoth(tars: string[]): Promise<Cost[]> {
  const repository = join(folder, 'restic')
  const env = { ...ENVIRONMENT, RESTIC_REPOSITORY: repository, RESTIC_PASSWORD: 'bench', HOME: folder }
  await runMeasured('restic', ['init'], { env })
  const costs: Cost[] = []
  for (const tar of tars) {
    unpack(tar)
    costs.push(await measured(repository, () => runMeasured('restic', ['-q', 'backup', tree], { env })))
  }
  rmSync(repository, { recursive: true })
  return costs
}

const rows: string[][] = []
const rowOf = (what: string, [one, two]: Cost[]): string[] => [
  what,
  ...[one.seconds, two.seconds].map(seconds => seconds.toFixed(1)),
  (two.seconds / one.seconds).toFixed(2),
  (two.cpuSeconds / one.cpuSeconds).toFixed(2),
  megabytes(one.grownBytes),
  megabytes(two.grownBytes),
  megabytes(Math.max(one.peakBytes, two.peakBytes))
]

async function measure({ name, tars }: Pair): Promise<void> {
  rows.push(rowOf(`${name}: compose import`, await importBoth(tars)))
  rows.push(rowOf(`${name}: restic backup`, await backUpBoth(tars)))
}

try {
  for (const second of seconds) await measure({ name: basename(second), tars: [first, second] })
  for (const pair of madePairs()) await measure(pair)
  console.log(`${describeRun()}\n`)
  console.log(
    renderTable(
      [
        `zstd ${values.level}`,
        'first s',
        'second s',
        'ratio',
        'ratio of CPU',
        'first MB',
        'grown MB',
        'peak MB'
      ],
      rows
    )
  )
} finally {
  rmSync(folder, { recursive: true })
}
