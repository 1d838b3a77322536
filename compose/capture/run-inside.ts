/** Runs a command as root of a tree, by our launcher (spec/capture.md#inside). */
import { closeSync, openSync, readSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isatty } from 'node:tty'
import { launcherFile } from '../../native/index.ts'
import type { ModuleRecord } from '../../store/module/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { USUAL_PATH } from '../oci/index.ts'
import { type Bind, type Ended, launchError, runProgram } from '../run/index.ts'
import { composeEnvironment } from '../runtime-files/index.ts'
import { removalOf, SANDBOX_FOLDER, SEEN_METADATA } from '../sandbox/index.ts'
import { type OwnersWay, subordinateOptions } from './owners-way.ts'

export interface InsideRequest {
  tree: string
  /** A folder for files of this run. */
  work: string
  command: string[]
  /** Records of the modules in the tree, bottom to top. */
  records: ModuleRecord[]
  binds: Bind[]
  hasNetwork: boolean
  added: Record<string, string>
  /** Seconds: SOURCE_DATE_EPOCH. */
  epoch: number
  workingFolder?: string
  /** Default: auto. */
  owners?: OwnersWay
  isOutputOfOthers: boolean
  /** True for a command that the user typed: a file on standard input is for it, and not for scripts of a definition. */
  isTyped?: boolean
  note(text: string): void
}

/** How a host reaches the network, which a command with network needs as well. */
const OF_NETWORK = /^(https?|ftp|all|no)_proxy$/i

const END = '/end\0'

/** @throws StrataError SANDBOX_INVALID if it is another kind of sandbox */
export function assertCaptureTree(tree: string): void {
  const folder = join(tree, SANDBOX_FOLDER)
  if (statSync(join(folder, SEEN_METADATA), { throwIfNoEntry: false })?.isFile()) return
  const isUsed = statSync(join(folder, USED), { throwIfNoEntry: false }) !== undefined
  throw new StrataError('SANDBOX_INVALID', {
    message: isUsed
      ? `the owners in ${tree} are not known, because a capture in it is running, or was ended by force`
      : `${tree} is a sandbox, but not one of compose capture`,
    facts: { sandbox: tree },
    hint: isUsed
      ? `${removalOf(tree)}, and capture again`
      : `compose capture MODULE --from ${tree} -- CMD (takes it as the target)`
  })
}

const USED = `${SEEN_METADATA}.used`
const NEW = `${SEEN_METADATA}.new`

/**
 * What is known of the tree is taken away while the command runs, so that no tree is used whose owners were not written
 * down.
 * @throws StrataError LAUNCH_FAILED, USAGE
 */
export async function runInside(request: InsideRequest): Promise<Ended> {
  const way = request.owners ?? 'auto'
  const ranges = subordinateOptions(way, request)
  const ended = await runOnce(request, ranges ?? [])
  const { failure } = ended
  if (failure?.kind !== 'error') return ended
  // Mapping ids was refused before the command started.
  if (failure.feature === 'subuid' && way === 'auto') return runInside({ ...request, owners: 'supervised' })
  throw launchError(failure)
}

/**
 * For scripts, which may end in any way after Ctrl-C; what counts is that the user wanted it to.
 * @throws StrataError SIGINT, SIGTERM, SIGHUP
 */
export function refuseStopped({ stopped, status }: Ended): void {
  if (stopped === undefined || status === 0) return
  throw new StrataError(stopped, {
    message: `stopped by ${stopped === 'SIGINT' ? 'Ctrl-C (SIGINT)' : stopped}: nothing was published`
  })
}

async function runOnce(request: InsideRequest, ranges: string[]): Promise<Ended> {
  const folder = join(request.tree, SANDBOX_FOLDER)
  const [seen, used, made] = [SEEN_METADATA, USED, NEW].map(name => join(folder, name))
  const options = join(request.work, 'options')
  writeFileSync(options, optionsOf(request), { mode: 0o600 })
  renameSync(seen, used)
  const ended = await runProgram(
    {
      program: launcherFile(),
      args: [
        ...['capture', '--parent', String(process.pid), '--report', '3', ...ranges],
        ...['--metadata', used, '--result', made, '--options', options],
        ...['--', request.tree, '--', ...request.command]
      ],
      environment: {},
      reports: true,
      isKeptFromFiles: true,
      isWithoutInputFile: request.isTyped !== true,
      ...(request.isOutputOfOthers && { outputTo: 'stderr' as const })
    },
    request.note
  )
  const { failure } = ended
  const isStarted = statSync(made, { throwIfNoEntry: false })?.size ?? 0
  if (endsWith(made, END)) {
    renameSync(made, seen)
    rmSync(used)
  } else if (failure?.kind === 'error' && isStarted === 0) renameSync(used, seen)
  if (failure?.kind === 'program') request.note(failure.message)
  return ended
}

function endsWith(file: string, end: string): boolean {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0
  if (size < end.length) return false
  const fd = openSync(file, 'r')
  try {
    const bytes = Buffer.alloc(end.length)
    readSync(fd, bytes, 0, end.length, size - end.length)
    return bytes.toString('latin1') === end
  } finally {
    closeSync(fd)
  }
}

/** Other users can read a command line, but not this file. */
function optionsOf({ records, binds, hasNetwork, added, epoch, workingFolder }: InsideRequest): string {
  const environment = { ...composeEnvironment(records, usualEnvironment(hasNetwork, epoch)), ...added }
  const words = [
    ...Object.entries(environment).flatMap(([name, value]) => ['--setenv', name, value]),
    ...binds.flatMap(({ source, target, isReadOnly }) => [
      isReadOnly ? '--ro-bind' : '--bind',
      source,
      target
    ]),
    ...(hasNetwork ? ['--network'] : []),
    ...(workingFolder === undefined ? [] : ['--cwd', workingFolder])
  ]
  return words.map(word => `${word}\0`).join('')
}

/** The same for every user and host, so that it leaves no trace in what is captured. */
const usualEnvironment = (hasNetwork: boolean, epoch: number): Record<string, string> => ({
  PATH: USUAL_PATH,
  HOME: '/root',
  USER: 'root',
  LOGNAME: 'root',
  SHELL: '/bin/sh',
  LANG: 'C.UTF-8',
  DEBIAN_FRONTEND: 'noninteractive',
  SOURCE_DATE_EPOCH: String(epoch),
  ...(isatty(1) && process.env.TERM !== undefined && { TERM: process.env.TERM }),
  ...(hasNetwork &&
    Object.fromEntries(
      Object.entries(process.env).filter(
        (variable): variable is [string, string] => OF_NETWORK.test(variable[0]) && variable[1] !== undefined
      )
    ))
})
