/**
 * `compose build --format oci`, the first time and when the store has the packed layers, against `cp -r` of the same
 * layout, which no writer can be faster than.
 *
 *   node dist/test/bench/oci-out.js [--level N] [--runs N] [--layer-comp zstd|gzip|none] [--flush] FOLDER TARBALL...
 *
 * FOLDER is on the file system to measure. The tarballs are modules, bottom to top. A layout is flushed on both sides
 * with --flush, and on neither without; the store flushes what it keeps. Candidates take turns, so that a busy machine is busy for all of them.
 * `node --version` is what a command of Node costs before it has done anything.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { describeRun, median, renderTable, spread } from './helpers/report.ts'
import { type Measured, runCompose, runMeasured } from './helpers/run-measured.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    level: { type: 'string', default: '15' },
    runs: { type: 'string', default: '3' },
    'layer-comp': { type: 'string', default: 'zstd' },
    flush: { type: 'boolean', default: false }
  }
})
const [folder, ...tarballs] = positionals
if (tarballs.length === 0) throw new Error('usage: oci-out.js [--level N] [--runs N] FOLDER TARBALL...')

const work = mkdtempSync(join(folder, 'strata-bench-'))
const store = join(work, 'store')
const layout = join(work, 'layout')
const copy = join(work, 'copy')
const modules = tarballs.map((_, i) => (i === 0 ? 'base/bench-0' : `lib/bench${i}-1`))

const build = () =>
  runCompose(store, [
    ...['build', layout, ...modules, '--on-conflict', 'upper', '--format', 'oci'],
    ...['--layer-comp', values['layer-comp'], ...(values.flush ? [] : ['--no-sync'])]
  ])

const COPY = values.flush ? 'cp -r, sync' : 'cp -r'
const FLUSHED = 'cp -r "$1" "$2" && find "$2" -exec sync {} +'

const copyOf = () =>
  values.flush
    ? runMeasured('sh', ['-c', FLUSHED, 'sh', layout, copy])
    : runMeasured('cp', ['-r', layout, copy])

interface Candidate {
  name: string
  /** Removed before each run, outside of what is measured. */
  gone: string[]
  run(): Promise<Measured>
}

const candidates: Candidate[] = [
  { name: 'compose build, the first time', gone: [layout, join(store, 'oci')], run: build },
  { name: 'compose build, again', gone: [layout], run: build },
  { name: COPY, gone: [copy], run: copyOf },
  { name: 'node --version', gone: [], run: () => runMeasured(process.execPath, ['--version']) }
]

try {
  await runCompose(store, ['init', '--level', values.level])
  for (const [i, tarball] of tarballs.entries())
    await runCompose(store, ['import', modules[i], tarball, '--allow-privileged'])
  const measured = new Map<string, Measured[]>()
  for (let round = 0; round < Number(values.runs); round++)
    for (const { name, gone, run } of candidates) {
      for (const path of gone) rmSync(path, { recursive: true, force: true })
      measured.set(name, [...(measured.get(name) ?? []), await run()])
    }
  const secondsOf = (name: string) => measured.get(name)!.map(({ seconds }) => seconds)
  const limit = median(secondsOf(COPY))
  console.log(`${describeRun()}\n`)
  console.log(
    renderTable(
      ['', 'seconds', `times ${COPY}`, 'CPU s'],
      [...measured].map(([name, runs]) => [
        name,
        spread(secondsOf(name)),
        (median(secondsOf(name)) / limit).toFixed(1),
        median(runs.map(({ cpuSeconds }) => cpuSeconds)).toFixed(2)
      ])
    )
  )
} finally {
  rmSync(work, { recursive: true, force: true })
}
