/**
 * A layer of very many small entries: time and peak memory of its import, beside tar2sqfs of the same tarball.
 *
 *   node dist/test/bench/million.js [ENTRIES [LEVEL]]
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { DEFAULT_PROFILE } from '../../store/object/profile.ts'
import { writeManyEntries } from './helpers/million-tar.ts'
import { describeRun, megabytes, renderTable } from './helpers/report.ts'
import { type Measured, runCompose, runMeasured } from './helpers/run-measured.ts'

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
  console.log(`${describeRun()}\n\n${entries} entries, tarball ${megabytes(statSync(tarball).size)} MB\n`)
  const row = (name: string, { seconds, cpuSeconds, peakBytes }: Measured) => [
    name,
    seconds.toFixed(1),
    cpuSeconds.toFixed(1),
    megabytes(peakBytes)
  ]
  console.log(
    renderTable(
      [`zstd ${level}`, 'seconds', 'CPU s', 'peak MB'],
      [row('compose import', imported), row('tar2sqfs', peer)]
    )
  )
} finally {
  rmSync(folder, { recursive: true })
}
