/**
 * `node dist/test/run.js [OPTION…] [PART…]` runs every *.test.js whose path contains
 * one of the parts, each in a process of its own, one more at a time than there are cores, since tests also wait for the
 * disk. It prints a line a file, at the end what failed and why tests were skipped, and last of all
 * `412 passed, 0 failed, 3 skipped`.
 *
 * STRATA_TEST_SIZE names the size (test/helpers/size.ts). Files that failed in the last run come first, then the slowest
 * (runner/memory.ts). A file that fails runs once more at the end, alone: if it passes then, it is flaky, which the closing
 * lines say; a few of these do not make a run red.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { bySize, SIZE } from './helpers/size.ts'
import { Memory } from './runner/memory.ts'
import { type FileResult, notRun, runFile, stopRunning } from './runner/run-file.ts'
import {
  closingLine,
  failureText,
  flakyLine,
  leftLines,
  progressLine,
  skipLines,
  slowestLines
} from './runner/summary.ts'
import { isChosen, longestSourceFirst, testFilesBelow } from './runner/test-files.ts'

const { values: options, positionals: parts } = parseArgs({
  allowPositionals: true,
  options: {
    /** Another folder of compiled tests. */
    in: { type: 'string', default: fileURLToPath(new URL('.', import.meta.url)) },
    /** How many files run at a time. */
    lanes: { type: 'string', default: String(availableParallelism() + 1) },
    slowest: { type: 'boolean', default: false },
    /** Minutes that the run may take: what has not ended then has failed. */
    within: { type: 'string' },
    /** Seconds that a file may take, whatever it took last time; the longest take minutes on a quiet machine. */
    'at-most': { type: 'string', default: bySize('300', '1200') }
  }
})

/** More files than these that pass only the second time are a failure. */
const MOST_FLAKY = 3

/** Many tests look at modes of files that they made themselves; login shells have 022 or 002. */
process.umask(0o022)

const secondsLeft = (): number =>
  options.within === undefined ? Number.POSITIVE_INFINITY : Number(options.within) * 60 - process.uptime()

const all = testFilesBelow(options.in)
const fileOf = new Map(longestSourceFirst(all).map(file => [relative(options.in, file), file]))
const memory = new Memory()
const names = [...fileOf.keys()].filter(name => isChosen(name, parts, SIZE)).sort(memory.compare)

const temporary = mkdtempSync(join(tmpdir(), 'strata-tests-'))
chmodSync(temporary, 0o755)
if (process.getuid?.() !== 0) {
  // Without a session, podman would leave folders in the temporary one, and skopeo would look into a folder of root's.
  process.env.XDG_RUNTIME_DIR ??= mkdtempSync(join(temporary, 'session-'))
}
process.on('exit', () => {
  stopRunning()
  memory.save(names)
  rmSync(temporary, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))

let runs = 0

async function run(name: string): Promise<FileResult> {
  if (secondsLeft() <= 0) return notRun(name, 'the minutes of the run were over')
  const limitSeconds = Math.min(memory.limitOf(name, Number(options['at-most'])), secondsLeft())
  const result = await runFile(fileOf.get(name)!, name, join(temporary, `${runs++}`), limitSeconds)
  memory.remember(name, result.failed > 0, result.isOverdue ? undefined : result.seconds)
  return result
}

/** @returns the first result of each file */
async function runAll(): Promise<FileResult[]> {
  const results: FileResult[] = []
  const queue = [...names]
  const lane = async () => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      const result = await run(name)
      results.push(result)
      console.log(progressLine(result, results.length, names.length))
      if (result.failed > 0) console.log(failureText(result))
    }
  }
  await Promise.all(Array.from({ length: Number(options.lanes) }, lane))
  return results
}

/**
 * Run what failed once more, one after the other.
 * @returns the results that count, and the first results of files that are flaky
 */
async function repeatFailed(first: FileResult[]): Promise<{ results: FileResult[]; flaky: FileResult[] }> {
  const failed = first.filter(result => result.failed > 0)
  if (failed.length > 0) console.log('\nOnce more, alone:')
  const passedNow = new Map<string, FileResult>()
  for (const [i, { name }] of failed.entries()) {
    if (secondsLeft() <= 0) break
    const result = await run(name)
    console.log(progressLine(result, i + 1, failed.length))
    if (result.failed === 0) passedNow.set(name, result)
  }
  const flaky = failed.filter(({ name }) => passedNow.has(name))
  for (const { name, seconds } of passedNow.values()) memory.remember(name, true, seconds)
  const areForgiven = flaky.length <= MOST_FLAKY
  return { results: first.map(result => (areForgiven && passedNow.get(result.name)) || result), flaky }
}

function report({ results, flaky }: Awaited<ReturnType<typeof repeatFailed>>): void {
  const failed = results.filter(result => result.failed > 0)
  if (failed.length > 0) console.log('\nWhat failed, once more:')
  for (const result of failed) console.log(`\n${result.name}\n${failureText(result)}`)
  console.log('')
  if (options.slowest) for (const line of slowestLines(results)) console.log(line)
  for (const line of flaky.map(flakyLine)) console.log(line)
  if (flaky.length > MOST_FLAKY)
    console.log(`${flaky.length} flaky files, and at most ${MOST_FLAKY} are forgiven: all count as failed`)
  for (const line of skipLines(results)) console.log(line)
  if (parts.length === 0) for (const line of leftLines(results, all.length - names.length)) console.log(line)
  console.log(closingLine(results))
}

const counted = await repeatFailed(await runAll())
report(counted)
const { results } = counted
process.exitCode =
  results.some(({ failed }) => failed > 0) || results.every(({ passed }) => passed === 0) ? 1 : 0
