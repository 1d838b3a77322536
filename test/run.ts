/**
 * `node dist/test/run.js [--slowest] [PART…]` runs every *.test.js whose path contains one of the parts, each in a
 * process of its own, one more at a time than there are cores, since tests also wait for the disk. It prints a line a
 * file, at the end what failed and why tests were skipped, and last of all `412 passed, 0 failed, 3 skipped`.
 *
 * STRATA_TEST_ALL=1 gives the full size (test/helpers/size.ts) with all long files (*.long.test.js), and makes a test fail whose tool is not installed.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { basename, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { countThatAre } from '../store/values/index.ts'
import { isFullSize } from './helpers/size.ts'
import { type FileResult, runFile, stopRunning } from './runner/run-file.ts'
import { closingLine, failureText, progressLine, skipLines } from './runner/summary.ts'
import { isChosen, slowestFirst, testFilesBelow } from './runner/test-files.ts'

const { values: options, positionals: parts } = parseArgs({
  allowPositionals: true,
  options: {
    /** Another folder of compiled tests. */
    in: { type: 'string', default: fileURLToPath(new URL('.', import.meta.url)) },
    slowest: { type: 'boolean', default: false }
  }
})

/** Many tests look at modes of files that they made themselves; login shells have 022 or 002. */
process.umask(0o022)

const nameOf = (file: string): string => relative(options.in, file)

async function runAll(files: string[], temporary: string): Promise<FileResult[]> {
  const results: FileResult[] = []
  const queue = [...files.entries()]
  const lane = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const result = await runFile(next[1], temporary, next[0])
      results.push(result)
      console.log(progressLine(result, nameOf(result.file), results.length, files.length))
      if (result.failed > 0) console.log(failureText(result))
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() + 1 }, lane))
  return results
}

function report(results: FileResult[]): void {
  const failed = results.filter(result => result.failed > 0)
  if (failed.length > 0) console.log('\nWhat failed, once more:')
  for (const result of failed) console.log(`\n${nameOf(result.file)}\n${failureText(result)}`)
  console.log('')
  for (const line of skipLines(results)) console.log(line)
  if (options.slowest) {
    const slowest = results.sort((a, b) => b.seconds - a.seconds).slice(0, 20)
    for (const { file, seconds } of slowest)
      console.log(`${seconds.toFixed(1)} s  ${basename(file, '.test.js')}`)
  }
  console.log(closingLine(results))
}

const all = testFilesBelow(options.in)
const files = all.filter(file => isChosen(nameOf(file), parts, isFullSize))
const left = all.length - files.length
if (parts.length === 0 && left > 0) console.log(`${countThatAre(left, 'long file')} left to npm run test:all`)
const temporary = mkdtempSync(join(tmpdir(), 'strata-tests-'))
chmodSync(temporary, 0o755)
if (process.getuid?.() !== 0) {
  // Without a session, podman would leave folders in the temporary one, and skopeo would look into a folder of root's.
  process.env.XDG_RUNTIME_DIR ??= mkdtempSync(join(temporary, 'session-'))
}
process.on('exit', () => {
  stopRunning()
  rmSync(temporary, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))

const results = await runAll(slowestFirst(files), temporary)
report(results)
process.exitCode =
  results.some(({ failed }) => failed > 0) || results.every(({ passed }) => passed === 0) ? 1 : 0
