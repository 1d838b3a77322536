/**
 * A layer of very many small entries: time and peak memory of its import, beside tar2sqfs of the same tarball; and of
 * an image of it, beside `cp` of that image. Nothing is flushed by either.
 *
 *   node dist/test/bench/million.js [ENTRIES [LEVEL]]
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { DEFAULT_PROFILE } from '../../store/values/profile.ts'
import { writeManyEntries } from './helpers/million-tar.ts'
import { describeRun, median, megabytes, renderTable } from './helpers/report.ts'
import { type Measured, runCompose, runMeasured } from './helpers/run-measured.ts'

const BUILDS = 5

const [entries = '1000000', level = String(DEFAULT_PROFILE.level)] = process.argv.slice(2)

const folder = mkdtempSync(join(tmpdir(), 'strata-bench-'))
try {
  const tarball = join(folder, 'many.tar')
  const store = join(folder, 'store')
  await writeManyEntries(tarball, Number(entries))
  await runCompose(store, ['init', '--level', level])
  const imported = await runCompose(store, ['import', 'base/bench-1', tarball])
  const peer = await runMeasured(
    'tar2sqfs',
    [
      '-q',
      '-c',
      'zstd',
      '-X',
      `level=${level}`,
      '-j',
      String(availableParallelism()),
      join(folder, 'image.sqfs')
    ],
    { stdin: tarball }
  )
  const image = join(folder, 'built.sqfs')
  const builds: Measured[] = []
  const copies: Measured[] = []
  for (let i = 0; i < BUILDS; i++) {
    rmSync(image, { force: true })
    builds.push(await runCompose(store, ['build', image, 'base/bench', '--no-sync']))
    copies.push(await runMeasured('cp', ['--reflink=never', image, join(folder, `copy-${i}`)]))
    rmSync(join(folder, `copy-${i}`))
  }
  console.log(`${describeRun()}\n\n${entries} entries, tarball ${megabytes(statSync(tarball).size)} MB\n`)
  const row = (name: string, { seconds, cpuSeconds, peakBytes }: Measured) => [
    name,
    seconds.toFixed(2),
    cpuSeconds.toFixed(1),
    megabytes(peakBytes)
  ]
  console.log(
    renderTable(
      [`zstd ${level}`, 'seconds', 'CPU s', 'peak MB'],
      [
        row('compose import', imported),
        row('tar2sqfs', peer),
        row('compose build --no-sync', middle(builds)),
        row('cp of the image', middle(copies))
      ]
    )
  )
} finally {
  rmSync(folder, { recursive: true })
}

/** The medians of each figure, which may be of different runs. */
function middle(runs: Measured[]): Measured {
  const of = (figure: 'seconds' | 'cpuSeconds' | 'peakBytes') => median(runs.map(run => run[figure]))
  return { seconds: of('seconds'), cpuSeconds: of('cpuSeconds'), peakBytes: of('peakBytes'), stdout: '' }
}
