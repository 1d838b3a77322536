import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { describeProcess, endProcesses, startedProcesses } from './processes.ts'
import { takeTold } from './told.ts'

/** Programs that a test ended may take this long to do so; what runs longer was left behind. */
const ENDING_MS = 5000

const running = new Map<ChildProcess, string>()

/** Called when a run is interrupted. */
export function stopRunning(): void {
  for (const [child, temporary] of running) endProcesses(temporary, child.pid)
}

/** Result of one test file. */
export interface FileResult {
  name: string
  passed: number
  failed: number
  skipped: number
  seconds: number
  /** Whether it took longer than it may. */
  isOverdue: boolean
  /** Why tests were skipped, one entry a test. */
  skipReasons: string[]
  /** Number of cases left to a larger size. */
  casesLeft: number
  /** In the order in which they began; what comes before and after the tests of a suite is among them. */
  tests: { title: string; seconds: number }[]
  /** Without colours. */
  output: string
}

/** The result of a file that did not run. */
export const notRun = (name: string, reason: string): FileResult => ({
  name,
  passed: 0,
  failed: 1,
  skipped: 0,
  seconds: 0,
  isOverdue: false,
  skipReasons: [],
  casesLeft: 0,
  tests: [],
  output: `it did not run: ${reason}`
})

/**
 * Run one test file in a process of its own, with a temporary folder of its own. Afterwards the folder must be empty, and
 * all processes that the file started must have ended.
 * @param temporary path of the folder to make
 * @param limitSeconds after this time the file ends, with all processes that it started
 */
export async function runFile(
  file: string,
  name: string,
  temporary: string,
  limitSeconds: number
): Promise<FileResult> {
  mkdirSync(temporary)
  chmodSync(temporary, 0o1777) // tests that root runs start programs as other users
  const toldFile = `${temporary}.told`
  const started = performance.now()
  const { output, ending, isOverdue } = await runToEnd(file, temporary, toldFile, limitSeconds)
  const seconds = (performance.now() - started) / 1000
  const { tests, casesLeft } = takeTold(toldFile, Date.now())
  const lastTest = tests.at(-1)?.title ?? 'no test yet'
  const totals = readTotals(output)
  const faults = [...ending, ...removeLeftovers(temporary)]
  if (isOverdue) faults.unshift(`it was ended after ${limitSeconds.toFixed(0)} s, in ${lastTest}`)
  else if (totals === undefined) faults.unshift(`it ended before its tests did, in ${lastTest}`)
  const failed = totals?.failed ?? 0
  return {
    name,
    passed: totals?.passed ?? 0,
    failed: failed === 0 && faults.length > 0 ? 1 : failed,
    skipped: totals?.skipped ?? 0,
    seconds,
    isOverdue,
    skipReasons: [...output.matchAll(/^skipped: .*: (needs .*)$/gm)].map(([, reason]) => reason),
    casesLeft,
    tests,
    output: [output, ...faults].join('\n')
  }
}

interface Ending {
  output: string
  /** How it ended, if not by an exit with 0, and what it left running. */
  ending: string[]
  isOverdue: boolean
}

async function runToEnd(
  file: string,
  temporary: string,
  toldFile: string,
  limitSeconds: number
): Promise<Ending> {
  const child = spawn(process.execPath, [file], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      TMPDIR: temporary,
      STRATA_TEST_TOLD: toldFile,
      // A bash whose level is below 2 and whose standard input is a socket, as Node's pipes are, would read ~/.bashrc.
      SHLVL: '2'
    }
  })
  running.set(child, temporary)
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', text => {
      output += text
    })
  let isOverdue = false
  const limit = setTimeout(() => {
    isOverdue = true
    endProcesses(temporary, child.pid)
  }, limitSeconds * 1000)
  const closed = once(child, 'close')
  const [code, signal] = await once(child, 'exit')
  clearTimeout(limit)
  const ending: string[] = []
  if (code !== 0 && !isOverdue) ending.push(`ended ${signal === null ? `with ${code}` : `by ${signal}`}`)
  const left = await leftProcesses(temporary)
  if (left.length > 0) ending.push(`left running: ${left.map(describeProcess).join('; ')}`)
  endProcesses(temporary)
  running.delete(child)
  // A process that is not known to be of this file, as it has another environment, is not waited for.
  const closing = setTimeout(() => {
    ending.push('left a process that holds its output')
    for (const stream of [child.stdout, child.stderr]) stream.destroy()
  }, ENDING_MS)
  await closed
  clearTimeout(closing)
  return { output: output.replace(/\x1b\[[0-9;]*m/g, ''), ending, isOverdue }
}

/** @returns what runs on, a while after the test file has ended */
async function leftProcesses(temporary: string): Promise<number[]> {
  for (let waited = 0; ; waited += 100) {
    const pids = startedProcesses(temporary)
    if (pids.length === 0 || waited >= ENDING_MS) return pids
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

/** uvu's own summary, which it prints when all tests of a file have ended. */
function readTotals(output: string): Pick<FileResult, 'passed' | 'failed' | 'skipped'> | undefined {
  const [total, passed, skipped] = ['Total', 'Passed', 'Skipped'].map(label =>
    Number(new RegExp(`^ {2}${label}:\\s+(\\d+)`, 'm').exec(output)?.[1])
  )
  return Number.isNaN(total) ? undefined : { passed, skipped, failed: total - passed }
}

/** @returns a line that names what the tests left in their temporary folder, if anything */
function removeLeftovers(temporary: string): string[] {
  const names = readdirSync(temporary)
  unmountBelow(temporary)
  try {
    rmSync(temporary, { recursive: true, force: true })
  } catch (error) {
    names.push(`${(error as Error).message}`)
  }
  return names.length === 0 ? [] : [`left behind in the temporary folder: ${names.join(', ')}`]
}

/** A file that was ended at its limit cannot unmount what it has mounted. */
function unmountBelow(folder: string): void {
  const points = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map(line => line.split(' ')[4] ?? '')
    .filter(point => point.startsWith(`${folder}/`))
  for (const point of points.reverse()) spawnSync('umount', ['-l', point], { stdio: 'ignore' })
}
