/**
 * `compose build --format oci` against `cp -r` of the same layout, which no writer can be faster than, and beside it
 * `skopeo copy` of the layout to another one with gzip layers, which is how images are usually written.
 *
 *   node dist/test/bench/oci-out.js [--level N] FOLDER TARBALL...
 *
 * FOLDER is on the file system to measure. The tarballs are modules, bottom to top. Nothing is flushed on either side.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { describeRun, median, renderTable, spread } from './helpers/report.ts'
import { type Measured, runCompose, runMeasured } from './helpers/run-measured.ts'

const RUNS = 3

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { level: { type: 'string', default: '15' } }
})
const [folder, ...tarballs] = positionals
if (tarballs.length === 0) throw new Error('usage: oci-out.js [--level N] FOLDER TARBALL...')

const work = mkdtempSync(join(folder, 'strata-bench-'))
const store = join(work, 'store')
const layout = join(work, 'layout')
const copy = join(work, 'copy')
const modules = tarballs.map((_, i) => (i === 0 ? 'base/bench-0' : `lib/bench${i}-1`))

const build =
  (...flags: string[]) =>
  () =>
    runCompose(store, [
      ...['build', layout, ...modules, '--on-conflict', 'upper', '--format', 'oci', '--no-sync'],
      ...flags
    ])

interface Candidate {
  name: string
  /** Removed before each run. */
  out: string
  run(): Promise<Measured>
}

const candidates: Candidate[] = [
  { name: 'compose build --layer-comp none', out: layout, run: build('--layer-comp', 'none') },
  { name: 'compose build', out: layout, run: build() },
  { name: 'cp -r', out: copy, run: () => runMeasured('cp', ['-r', layout, copy]) },
  {
    name: 'skopeo copy, gzip',
    out: copy,
    run: () =>
      runMeasured('skopeo', [
        ...['copy', '--insecure-policy', '--dest-compress-format', 'gzip', '--dest-compress'],
        ...[`oci:${layout}:latest`, `oci:${copy}:latest`]
      ])
  }
]

try {
  await runCompose(store, ['init', '--level', values.level])
  for (const [i, tarball] of tarballs.entries())
    await runCompose(store, ['import', modules[i], tarball, '--allow-privileged'])
  const seconds = new Map<string, number[]>()
  const cpuSeconds = new Map<string, number[]>()
  for (let round = 0; round < RUNS; round++)
    for (const { name, out, run } of candidates) {
      rmSync(out, { recursive: true, force: true })
      const measured = await run()
      seconds.set(name, [...(seconds.get(name) ?? []), measured.seconds])
      cpuSeconds.set(name, [...(cpuSeconds.get(name) ?? []), measured.cpuSeconds])
    }
  const limit = median(seconds.get('cp -r')!)
  console.log(`${describeRun()}\n`)
  console.log(
    renderTable(
      ['', 'seconds', 'times cp -r', 'CPU s'],
      [...seconds].map(([name, times]) => [
        name,
        spread(times),
        (median(times) / limit).toFixed(1),
        median(cpuSeconds.get(name)!).toFixed(1)
      ])
    )
  )
} finally {
  rmSync(work, { recursive: true, force: true })
}
