/**
 * Import with compilation against `tar2sqfs` of the same tarball at the same level and block size, on all cores;
 * beside them what reading and hashing the tarball alone takes, which no import can be faster than.
 *
 *   node dist/test/bench/import.js TARBALL [LEVEL [RUNS]]
 *
 * Runs are interleaved, so that a slow minute of the machine hits all alike. The import also flushes what it wrote
 * and keeps the tarball; tar2sqfs does neither.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { DEFAULT_PROFILE } from '../../store/values/profile.ts'
import { describeRun, median, megabytes, renderTable, spread } from './helpers/report.ts'
import { type Measured, runCompose, runMeasured } from './helpers/run-measured.ts'

const [tarball, level = String(DEFAULT_PROFILE.level), runs = '3'] = process.argv.slice(2)
if (tarball === undefined) throw new Error('usage: import.js TARBALL [LEVEL [RUNS]]')

const IMPORT = 'compose import'
const PEER = 'tar2sqfs'

const candidates: Record<string, (folder: string) => Promise<Measured>> = {
  cat: () => runMeasured('cat', [tarball], { discard: true }),
  sha256sum: () => runMeasured('sha256sum', [tarball]),
  [IMPORT]: async folder => {
    const store = join(folder, 'store')
    await runCompose(store, ['init', '--level', level])
    return runCompose(store, ['import', 'base/bench-1', tarball])
  },
  [PEER]: folder => {
    const packing = ['-c', 'zstd', '-X', `level=${level}`, '-b', String(DEFAULT_PROFILE.blockSize)]
    const jobs = ['-j', String(availableParallelism())]
    return runMeasured('tar2sqfs', ['-q', ...packing, ...jobs, join(folder, 'image.sqfs')], {
      stdin: tarball
    })
  }
}

const seconds: Record<string, number[]> = {}
const cpuSeconds: Record<string, number[]> = {}
const peakBytes: Record<string, number> = {}
for (let run = 0; run < Number(runs); run++)
  for (const [name, candidate] of Object.entries(candidates)) {
    const folder = mkdtempSync(join(tmpdir(), 'strata-bench-'))
    try {
      const measured = await candidate(folder)
      seconds[name] = [...(seconds[name] ?? []), measured.seconds]
      cpuSeconds[name] = [...(cpuSeconds[name] ?? []), measured.cpuSeconds]
      peakBytes[name] = Math.max(peakBytes[name] ?? 0, measured.peakBytes)
    } finally {
      rmSync(folder, { recursive: true })
    }
  }

console.log(`${describeRun()}\n`)
console.log(
  renderTable(
    [`zstd ${level}`, 'seconds', 'ratio to tar2sqfs', 'CPU s', 'peak MB'],
    Object.keys(candidates).map(name => [
      name,
      spread(seconds[name]),
      (median(seconds[name]) / median(seconds[PEER])).toFixed(2),
      median(cpuSeconds[name]).toFixed(1),
      megabytes(peakBytes[name])
    ])
  )
)
