/** Starts a program in the place of this one: its terminal, its signals, its end. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import type { Readable } from 'node:stream'
import { isatty } from 'node:tty'
import { StrataError } from '../../store/values/index.ts'
import type { CommandLine } from './runtime.ts'

export interface Ended {
  /** Exit status; undefined when a signal ended it. */
  status?: number
  signal?: NodeJS.Signals
}

const FORWARDED: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2']
/** From a terminal these come to all processes of the foreground, the program among them. */
const OF_TERMINAL: NodeJS.Signals[] = ['SIGINT', 'SIGQUIT']
/** What shells and runtimes add to the number of the signal that ended their child. */
const SIGNALLED = 128

/** @throws StrataError IO when it cannot be started */
export async function runProgram(line: CommandLine): Promise<Ended> {
  const { program, args, environment, signals } = line
  const child = spawn(program, args, {
    env: environment,
    stdio: ['inherit', 'inherit', 'inherit', ...(signals === 'told' ? ['pipe' as const] : [])]
  })
  const told = signals === 'told' ? childTold(child.stdio[3] as Readable) : undefined
  const receiver = () => told?.pid ?? (signals === 'child' ? firstChild(child.pid) : undefined) ?? child.pid
  const forwarded = new Set<NodeJS.Signals>()
  const listeners = FORWARDED.map(signal => {
    const forward = () => {
      if (OF_TERMINAL.includes(signal) && isatty(0)) return
      forwarded.add(signal)
      sendSignal(receiver(), signal)
    }
    process.on(signal, forward)
    return () => process.removeListener(signal, forward)
  })
  try {
    const ended = await ending(child, program)
    const through = [...forwarded].find(signal => ended.status === SIGNALLED + constants.signals[signal])
    return through === undefined ? ended : { signal: through }
  } finally {
    for (const remove of listeners) remove()
  }
}

function ending(child: ChildProcess, program: string): Promise<Ended> {
  return new Promise((resolve, reject) => {
    child.on('error', cause =>
      reject(new StrataError('IO', { message: `${program} cannot be started: ${cause.message}`, cause }))
    )
    child.on('exit', (status, signal) =>
      resolve(signal === null ? { status: status ?? undefined } : { signal })
    )
  })
}

/** bwrap(1), --json-status-fd: the number of its child, as soon as there is one. bwrap hands no signals on. */
function childTold(status: Readable): { pid?: number } {
  const found: { pid?: number } = {}
  let text = ''
  status.on('data', data => {
    text += data
    const [, pid] = /"child-pid": *(\d+)/.exec(text) ?? []
    if (pid !== undefined) found.pid = Number(pid)
  })
  return found
}

/** By proc(5), /proc/PID/stat. `children` of a process that has entered a namespace is root's to read. */
function firstChild(pid: number | undefined): number | undefined {
  const processes = readdirSync('/proc').filter(name => /^\d+$/.test(name))
  const children = processes.filter(name => parentOf(name) === pid).map(Number)
  return children.length > 0 ? Math.min(...children) : undefined
}

function parentOf(pid: string): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // `PID (NAME) STATE PARENT …`; the name may hold anything.
    return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return undefined // it has ended
  }
}

function sendSignal(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
