import { spawn } from 'node:child_process'
import { openSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export interface Measured {
  seconds: number
  /** User and system time of all threads, and of programs that it waited for. It hardly changes when others use the machine, too. */
  cpuSeconds: number
  /** Largest resident set of the process itself, helpers that it starts not counted. */
  peakBytes: number
  stdout: string
}

export interface RunOptions {
  /** File that becomes standard input. */
  stdin?: string
  /** True to discard standard output. */
  discard?: boolean
  env?: NodeJS.ProcessEnv
}

/**
 * Environment of measured programs. Node reads extra certificates at each start, even if nothing needs them: those of
 * Debian take 0.06 s, twice the rest of the start.
 */
export const ENVIRONMENT: NodeJS.ProcessEnv = { ...process.env, NODE_EXTRA_CA_CERTS: undefined }

/**
 * Interval at which a process is asked for its peak memory and times. Anything after the last poll is lost. The
 * process's own rusage would lose nothing, but Node does not show it for a child, and on Linux its memory starts with
 * the size of the parent at the fork.
 */
const POLL_MS = 10

/** Run a program and measure it. @throws Error with its last words when it fails */
export function runMeasured(command: string, args: string[], options: RunOptions = {}): Promise<Measured> {
  const { stdin, discard = false, env = ENVIRONMENT } = options
  return new Promise((resolve, reject) => {
    const started = performance.now()
    const input = stdin === undefined ? 'ignore' : openSync(stdin, 'r')
    const child = spawn(command, args, { stdio: [input, discard ? 'ignore' : 'pipe', 'pipe'], env })
    let stdout = ''
    let stderr = ''
    let [peakBytes, cpuSeconds] = [0, 0]
    child.stdout?.on('data', data => {
      stdout += data
    })
    child.stderr?.on('data', data => {
      stderr = (stderr + data).slice(-2000)
    })
    const poll = setInterval(() => {
      peakBytes = Math.max(peakBytes, highWaterMark(child.pid))
      cpuSeconds = Math.max(cpuSeconds, readCpuSeconds(child.pid))
    }, POLL_MS)
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearInterval(poll)
      const seconds = (performance.now() - started) / 1000
      if (code === 0) resolve({ seconds, cpuSeconds, peakBytes, stdout })
      else reject(new Error(`${command} ${args.join(' ')}: ${signal ?? `exit ${code}`}\n${stderr}`))
    })
  })
}

/** VmHWM of proc(5); 0 when the process has ended. */
function highWaterMark(pid: number | undefined): number {
  try {
    const line = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))
    return line === null ? 0 : Number(line[1]) * 1024
  } catch {
    return 0
  }
}

/** USER_HZ, which is 100 on all of Linux's usual processors. */
const TICKS_PER_SECOND = 100

/** utime, stime, cutime and cstime of proc(5), fields 14 to 17; the name before them may hold spaces. */
export function readCpuSeconds(pid: number | undefined): number {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_PER_SECOND
  } catch {
    return 0
  }
}

const MAIN = fileURLToPath(new URL('../../../bundle/compose.cjs', import.meta.url))

/** The command, in a process of its own as users run it, on a store of its own. */
export const runCompose = (store: string, args: string[], options: RunOptions = {}): Promise<Measured> =>
  runMeasured(process.execPath, [MAIN, ...args, '--store', store, '--json'], {
    ...options,
    env: { ...ENVIRONMENT, COMPOSE_PATH: '' }
  })
