import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** Longer than any file takes at its full size: a file that hangs ends the run, instead of running for ever. */
const TIMEOUT_MS = 20 * 60 * 1000

const running = new Set<ChildProcess>()

/** Called when a run is interrupted. */
export function stopRunning(): void {
  for (const child of running) child.kill('SIGKILL')
}

/** Result of one test file. */
export interface FileResult {
  file: string
  passed: number
  failed: number
  skipped: number
  seconds: number
  /** Why tests were skipped, one entry a test. */
  skipReasons: string[]
  /** Without colours. */
  output: string
}

/**
 * Run one test file in a process of its own, with a temporary folder of its own, which must be empty afterwards.
 * @param folder where the temporary folder is made; it must be there
 */
export async function runFile(file: string, folder: string, number: number): Promise<FileResult> {
  const temporary = join(folder, String(number))
  mkdirSync(temporary)
  chmodSync(temporary, 0o1777) // tests that root runs start programs as other users
  const started = performance.now()
  const { output, ending } = await runToEnd(file, temporary)
  const seconds = (performance.now() - started) / 1000
  const totals = readTotals(output)
  const faults = [...(ending === undefined ? [] : [ending]), ...removeLeftovers(temporary)]
  if (totals === undefined) faults.push('it ended before its tests did')
  const failed = totals?.failed ?? 0
  return {
    file,
    passed: totals?.passed ?? 0,
    failed: failed === 0 && faults.length > 0 ? 1 : failed,
    skipped: totals?.skipped ?? 0,
    seconds,
    skipReasons: [...output.matchAll(/^skipped: .*: (needs .*)$/gm)].map(([, reason]) => reason),
    output: [output, ...faults].join('\n')
  }
}

/** @returns `ending`: how it ended, where that was no exit with 0 */
function runToEnd(file: string, temporary: string): Promise<{ output: string; ending?: string }> {
  return new Promise(resolve => {
    const child = spawn(process.execPath, [file], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: TIMEOUT_MS,
      env: { ...process.env, TMPDIR: temporary }
    })
    running.add(child)
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', text => {
        output += text
      })
    child.on('close', (code, signal) => {
      running.delete(child)
      const plain = output.replace(/\x1b\[[0-9;]*m/g, '')
      if (code === 0) resolve({ output: plain })
      else resolve({ output: plain, ending: `ended ${signal === null ? `with ${code}` : `by ${signal}`}` })
    })
  })
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
  try {
    rmSync(temporary, { recursive: true, force: true })
  } catch (error) {
    names.push(`${(error as Error).message}`) // something that is mounted
  }
  return names.length === 0 ? [] : [`left behind in the temporary folder: ${names.join(', ')}`]
}
