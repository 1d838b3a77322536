/**
 * `compose import` of an OCI layout against `umoci unpack` of it as root, which gives a directory. The layout is made
 * by umoci, a gzip layer for each tarball.
 *
 *   node dist/test/bench/oci.js RUNS TARBALL...
 *
 * The import checks digests, diffIDs and sizes, packs the contents for images, keeps the tarballs and flushes all of
 * it to disk; umoci decompresses, writes files, and records a hash of each. Level 3 is what a site would choose that
 * imports often, 15 is the store's default (spec/compression-levels.md). What packing alone takes is shown by zstd on all cores,
 * whose one stream has larger windows than our blocks. Runs are interleaved.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeRun, median, megabytes, renderTable, spread } from './helpers/report.ts'
import { type Measured, runCompose, runMeasured } from './helpers/run-measured.ts'

const [runs, ...tarballs] = process.argv.slice(2)
if (tarballs.length === 0) throw new Error('usage: oci.js RUNS TARBALL...')

const LEVELS = ['3', '15']
const PEER = 'umoci unpack'

const work = mkdtempSync(join(tmpdir(), 'strata-bench-'))
const layout = join(work, 'layout')

function makeLayout(): void {
  const umoci = (...args: string[]) => execFileSync('umoci', args, { stdio: 'ignore' })
  umoci('init', '--layout', layout)
  umoci('new', '--image', `${layout}:bench`)
  for (const tarball of tarballs) umoci('raw', 'add-layer', '--image', `${layout}:bench`, tarball)
}

type Candidate = (folder: string) => Promise<Measured>

const importAt =
  (level: string): Candidate =>
  async folder => {
    const store = join(folder, 'store')
    await runCompose(store, ['init', '--level', level])
    return runCompose(store, ['import', 'base/bench-1', `${layout}:bench`])
  }

const zstdAt =
  (level: string): Candidate =>
  () =>
    runMeasured('zstd', ['-q', '-T0', `-${level}`, '-c', ...tarballs], { discard: true })

const again: Candidate = async folder => {
  const store = join(folder, 'store')
  await runCompose(store, ['init', '--level', LEVELS[0]])
  await runCompose(store, ['import', 'base/bench-1', `${layout}:bench`])
  return runCompose(store, ['import', 'base/other-1', `${layout}:bench`])
}

const candidates: Record<string, Candidate> = {
  [PEER]: folder => runMeasured('umoci', ['unpack', '--image', `${layout}:bench`, join(folder, 'bundle')]),
  ...Object.fromEntries(LEVELS.map(level => [`compose import, zstd ${level}`, importAt(level)])),
  'layers that are in the store': again,
  ...Object.fromEntries(LEVELS.map(level => [`zstd -${level} of the tarballs`, zstdAt(level)]))
}

const measured: Record<string, Measured[]> = {}
try {
  makeLayout()
  for (let run = 0; run < Number(runs); run++)
    for (const [name, candidate] of Object.entries(candidates)) {
      const folder = mkdtempSync(join(work, 'run-'))
      measured[name] = [...(measured[name] ?? []), await candidate(folder)]
      rmSync(folder, { recursive: true })
    }
} finally {
  rmSync(work, { recursive: true })
}

const secondsOf = (name: string) => measured[name].map(({ seconds }) => seconds)

console.log(`${describeRun()}\n`)
console.log(
  renderTable(
    ['', 'seconds', `ratio to ${PEER}`, 'CPU s', 'peak MB'],
    Object.keys(candidates).map(name => [
      name,
      spread(secondsOf(name)),
      (median(secondsOf(name)) / median(secondsOf(PEER))).toFixed(2),
      median(measured[name].map(({ cpuSeconds }) => cpuSeconds)).toFixed(1),
      megabytes(Math.max(...measured[name].map(({ peakBytes }) => peakBytes)))
    ])
  )
)
