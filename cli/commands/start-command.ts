/** Parts that the commands that start programs share. */
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { trimCache } from '../../compose/cache/index.ts'
import {
  type Bind,
  type Ended,
  existingRoot,
  parseBind,
  RUNTIME_NAMES,
  type Runnable,
  startRun,
  trustedRunnable
} from '../../compose/run/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { type Context, collect } from '../context/index.ts'
import { type OpenImageFlags, usualBounds, withOpenImageFlags } from '../flags/index.ts'
import { EndedBySignal, ExitStatus, type Io, ownWords } from '../process/index.ts'
import { formatBytes } from '../render/index.ts'
import type { Opened } from './open-target.ts'

export interface StartFlags extends OpenImageFlags {
  runtime?: string
  runtimeOption?: string[]
  bind?: string[]
  env?: string[]
  cwd?: string
  contain?: boolean
  home?: boolean
  writable?: boolean
  overlay?: string
  join?: boolean
  gpu?: boolean
  device?: string[]
}

export const withStartFlags = (command: Command): Command =>
  withOpenImageFlags(command)
    .option('--runtime <NAME>', `${RUNTIME_NAMES.join(', ')} (default: the first of these that works here)`)
    .option('--runtime-option <OPTION>', 'pass this option to the runtime unchanged (repeatable)', collect)
    .option('--bind <SRC[:DST[:ro]]>', 'make SRC of the host available at DST (repeatable)', collect)
    .option('--env <K=V>', 'set an environment variable (repeatable)', collect)
    .option('--cwd <DIR>', 'folder to start in (default: the current one, else home, else /)')
    .option('--no-home', 'do not mount your home folder')
    .option('--contain', 'mount only the folders that --bind names, and start in /')
    .option('--gpu', 'the GPUs of the host: by CDI, else the libraries of its driver')
    .option('--no-gpu', 'no GPUs, also if run.yaml asks for them')
    .option('--device <VENDOR/CLASS=NAME>', 'a device of the host, by its CDI name (repeatable)', collect)
    .option('--writable', 'let programs write anywhere; the changes are forgotten in the end')
    .option('--overlay <DIR>', 'let programs write anywhere; the changes are kept in DIR for the next run')
    .option('--join', 'share the namespaces of the other ranks of the job on this node')

/** Runs a command in the target and ends as it does. */
export async function startCommand(
  { io, isQuiet }: Context,
  runnable: Runnable,
  command: string[],
  flags: StartFlags,
  more: Record<string, string> = {}
): Promise<void> {
  const added = { ...more, ...Object.fromEntries((flags.env ?? []).map(parseVariable)) }
  const ended = await startHeld(runnable, {
    ...{ command, added, binds: (flags.bind ?? []).map(askedBind) },
    ...{ runtime: flags.runtime, workingFolder: flags.cwd, runtimeOptions: flags.runtimeOption ?? [] },
    isContained: flags.contain ?? false,
    isHomeWanted: flags.home ?? true,
    isGpuWanted: flags.gpu,
    devices: flags.device ?? [],
    changes: changesOf(flags),
    isJoined: flags.join ?? false,
    note: text => io.note(text),
    inPlace: { words: ownWords(), isQuiet },
    onKept: () => keepWithinBounds(io)
  })
  endAs(ended)
}

async function startHeld(runnable: Runnable, options: Parameters<typeof startRun>[1]): Promise<Ended> {
  try {
    return await startRun(runnable, options)
  } finally {
    await runnable.root.held?.file.close()
  }
}

function changesOf({ writable, overlay }: StartFlags): { folder?: string } | undefined {
  if (overlay === undefined) return writable ? {} : undefined
  if (statSync(overlay, { throwIfNoEntry: false })?.isDirectory()) return { folder: resolve(overlay) }
  throw new StrataError('USAGE', {
    message: `--overlay ${overlay}: is not a folder`,
    hint: `mkdir ${overlay}`
  })
}

/** An image or a directory, or the image of a target, which is built and kept if need be. */
export async function openRunnable(
  context: Context,
  target: string[],
  flags: OpenImageFlags
): Promise<Opened> {
  const existing = target.length === 1 ? existingRoot(target[0]) : undefined
  if (existing !== undefined)
    return { runnable: await trustedRunnable(existing, await context.openStoreIfMade()), name: existing.path }
  const { openTarget } = await import('./open-target.ts') // it loads all of building
  return openTarget(context, target, flags)
}

/** Called after something was added to the cache, which takes longer than a look through the cache. */
function keepWithinBounds(io: Io): void {
  try {
    const { removed, bytes } = trimCache(usualBounds(process.env))
    if (removed.length > 0)
      io.note(`removed ${formatBytes(bytes)} from your cache, not used for long (compose gc --cache)`)
  } catch (error) {
    // The image to run is there, so a fault in the cache does not stop the run.
    io.note(`your cache was not cleaned: ${(error as Error).message}`)
  }
}

/** Ends with the program's status, or by the same signal. */
export function endAs({ status, signal }: Ended): void {
  if (signal !== undefined) throw new EndedBySignal(signal)
  if (status !== 0) throw new ExitStatus(status!)
}

/** @throws StrataError if the source of a bind that the user asked for does not exist */
export function askedBind(text: string): Bind {
  const bind = parseBind(text)
  if (statSync(bind.source, { throwIfNoEntry: false }) !== undefined) return bind
  throw new StrataError('USAGE', {
    message: `--bind ${text}: ${bind.source} does not exist on this host`,
    hint: '--bind SRC[:DST[:ro]], where SRC is a file or folder of the host'
  })
}

export function parseVariable(text: string): [string, string] {
  const [, name, value] = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(text) ?? []
  if (name === undefined)
    throw new StrataError('USAGE', {
      message: `--env ${text}: is not of the form NAME=VALUE`,
      hint: '--env OMP_NUM_THREADS=4'
    })
  return [name, value]
}
