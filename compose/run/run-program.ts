/** Starts a program in place of this one, with its terminal, its signals and its exit status. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import type { Readable } from 'node:stream'
import { isatty } from 'node:tty'
import { closeOnExec } from '../../native/index.ts'
import { STOP_SIGNALS, type StopSignal, StrataError } from '../../store/values/index.ts'
import { findProgram } from './find-runtime.ts'
import { handOn } from './inherited.ts'
import { isFolder, isStored, OutputPipes } from './output-pipes.ts'
import { type LauncherFailure, readReport } from './read-report.ts'
import type { CommandLine } from './runtime.ts'

export interface Ended {
  /** Exit status; undefined if a signal ended the program. */
  status?: number
  signal?: NodeJS.Signals
  /** A signal that asked us to stop meanwhile, whatever the program made of it. */
  stopped?: StopSignal
  /** Why our launcher did not start the program. */
  failure?: LauncherFailure
}

const FORWARDED: NodeJS.Signals[] = [...STOP_SIGNALS, 'SIGQUIT', 'SIGUSR1', 'SIGUSR2']
/** A terminal sends these to all processes of the foreground, also to the program. */
const TERMINAL_SIGNALS: NodeJS.Signals[] = ['SIGINT', 'SIGQUIT']
/** Shells and runtimes add this to the number of the signal that ended their child. */
const SIGNALLED = 128

/**
 * @param note told what a launcher leaves out
 * @throws StrataError IO if the program cannot be started
 */
export async function runProgram(line: CommandLine, note: (text: string) => void): Promise<Ended> {
  const {
    program,
    args,
    environment,
    signals,
    reports,
    passed = [],
    inherited = []
  } = line.outlivesCaller ? await endingWithUs(line) : line
  const pipes = new OutputPipes()
  const given = (fd: number) => (line.isKeptFromFiles ? pipes.inFrontOf(fd) : fd)
  const stdio = [
    ...[hasNoInput(line) ? ('ignore' as const) : 0, given(line.outputTo === 'stderr' ? 2 : 1), given(2)],
    ...(signals === 'told' || reports ? ['pipe' as const] : []),
    ...passed
  ]
  const handed = handOn(inherited, stdio.length, environment)
  closeOnExec()
  const child = spawn(program, args, { env: handed.environment, stdio: [...stdio, ...handed.stdio] })
  pipes.begin()
  const told = signals === 'told' ? readChildPid(child.stdio[3] as Readable) : undefined
  let failure: LauncherFailure | undefined
  if (reports)
    readReport(child.stdio[3] as Readable, word => {
      if (word.kind === 'note') note(word.message)
      else failure = word
    })
  const receiver = () => told?.pid ?? (signals === 'child' ? firstChild(child.pid) : undefined) ?? child.pid
  const forwarded = new Set<NodeJS.Signals>()
  let stopped: StopSignal | undefined
  const listeners = FORWARDED.map(signal => {
    const forward = () => {
      stopped = STOP_SIGNALS.find(each => each === signal) ?? stopped
      if (TERMINAL_SIGNALS.includes(signal) && isatty(0)) return
      forwarded.add(signal)
      sendSignal(receiver(), signal)
    }
    process.on(signal, forward)
    return () => process.removeListener(signal, forward)
  })
  try {
    const ended = {
      ...(await ending(child, program, reports ? 'close' : 'exit')),
      ...(stopped !== undefined && { stopped })
    }
    await pipes.end()
    const through = [...forwarded].find(signal => ended.status === SIGNALLED + constants.signals[signal])
    if (failure !== undefined) return { ...ended, failure }
    return through === undefined ? ended : { signal: through }
  } finally {
    for (const remove of listeners) remove()
  }
}

/** No program reads a folder, but one in a tree would leave it by that. */
const hasNoInput = ({ isWithoutInputFile, isKeptFromFiles }: CommandLine): boolean =>
  (isWithoutInputFile === true && isStored(0)) || (isKeptFromFiles === true && isFolder(0))

/** With setpriv(1) of util-linux, the kernel kills the program as soon as `compose` has ended, even by SIGKILL. */
async function endingWithUs(line: CommandLine): Promise<CommandLine> {
  const setpriv = findProgram('setpriv', process.env)
  const options = ['--pdeathsig', 'KILL']
  // Before util-linux 2.33, and in busybox, it lacks the option.
  if (setpriv === undefined || spawnSync(setpriv, [...options, 'true']).status !== 0) return line
  return { ...line, program: setpriv, args: [...options, line.program, ...line.args] }
}

/** @param waitsFor `close`: for the end of its pipes as well */
function ending(child: ChildProcess, program: string, waitsFor: 'exit' | 'close'): Promise<Ended> {
  return new Promise((resolve, reject) => {
    child.on('error', cause =>
      reject(new StrataError('IO', { message: `${program} cannot be started: ${cause.message}`, cause }))
    )
    child.on(waitsFor, (status: number | null, signal: NodeJS.Signals | null) =>
      resolve(signal === null ? { status: status ?? undefined } : { signal })
    )
  })
}

/**
 * bwrap(1), --json-status-fd: reads the number of its child as soon as there is one. bwrap does not pass signals on.
 */
function readChildPid(status: Readable): { pid?: number } {
  const found: { pid?: number } = {}
  let text = ''
  status.on('data', data => {
    text += data
    const [, pid] = /"child-pid": *(\d+)/.exec(text) ?? []
    if (pid !== undefined) found.pid = Number(pid)
  })
  return found
}

/**
 * Found by proc(5), /proc/PID/stat, because `children` of a process that has entered a namespace is readable only by
 * root.
 */
function firstChild(pid: number | undefined): number | undefined {
  const processes = readdirSync('/proc').filter(name => /^\d+$/.test(name))
  const children = processes.filter(name => parentOf(name) === pid).map(Number)
  return children.length > 0 ? Math.min(...children) : undefined
}

function parentOf(pid: string): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // `PID (NAME) STATE PARENT …`; the name may contain any character.
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
