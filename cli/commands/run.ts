import { statSync } from 'node:fs'
import type { Command } from 'commander'
import { trimCache } from '../../compose/cache/index.ts'
import { openSandboxTarget, resolveTarget } from '../../compose/outputs/index.ts'
import {
  type Bind,
  cachedImage,
  type Ended,
  existingRoot,
  parseBind,
  RUNTIME_NAMES,
  type Runnable,
  runnableOf,
  startRun,
  trustedRunnable
} from '../../compose/run/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { type Context, collect, contextOf, ProgressBar } from '../context/index.ts'
import { type OpenImageFlags, openImageWith, usualBounds, withOpenImageFlags } from '../flags/index.ts'
import { EndedBySignal, ExitStatus, type Io } from '../process/index.ts'
import { formatBytes } from '../render/index.ts'

interface Options extends OpenImageFlags {
  runtime?: string
  runtimeOption?: string[]
  bind?: string[]
  env?: string[]
  cwd?: string
  contain?: boolean
  home?: boolean
}

const EXAMPLES = `
Without a target, CMD runs in the stack. One IMAGE, SANDBOX or docker:// address may be followed by CMD directly;
after modules, a lock or a list, write -- before CMD. Their image is built once and kept in your cache. Without
CMD, the runscript of the image runs.

Examples:
  compose run -- mpirun -n 2 solver input.dat
  compose run vasp.sqfs --bind /scratch:/mnt/0 -- vasp_std
  compose run base/debian app/vasp -- vasp_std
  compose run docker://debian:12 -- cat /etc/os-release
  compose run --runtime bwrap ./vasp -- bash`

export default (program: Command): void => {
  const command = program
    .command('run [WORDS...]')
    .usage('[options] [IMAGE|SANDBOX|TARGET...] [--] [CMD...]')
    .summary('run a program in an image, a sandbox or the stack')
    .description(
      'Run CMD in TARGET, in the environment that the modules set, with the launcher of Strata or another runtime.'
    )
    .option('--runtime <NAME>', `${RUNTIME_NAMES.join(', ')} (default: the first of these that works here)`)
    .option('--runtime-option <OPTION>', 'pass this option to the runtime unchanged (repeatable)', collect)
    .option('--bind <SRC[:DST[:ro]]>', 'make SRC of the host available at DST (repeatable)', collect)
    .option('--env <K=V>', 'set an environment variable (repeatable)', collect)
    .option('--cwd <DIR>', 'folder to start in (default: the current one, else home, else /)')
    .option('--no-home', 'do not mount your home folder')
    .option('--contain', 'mount only the folders that --bind names, and start in /')
  withOpenImageFlags(command)
    .addHelpText('after', EXAMPLES)
    .action(async (words: string[], options: Options, command: Command) => {
      const context = contextOf(command)
      const { target, command: typed } = splitWords(words, command)
      const binds = (options.bind ?? []).map(askedBind)
      const added = Object.fromEntries((options.env ?? []).map(parseVariable))
      const runnable = await openRunnable(context, target, options)
      const { io } = context
      const ended = await startRun(runnable, {
        ...{ command: typed, binds, added, runtime: options.runtime, workingFolder: options.cwd },
        runtimeOptions: options.runtimeOption ?? [],
        isContained: options.contain ?? false,
        isHomeWanted: options.home ?? true,
        note: text => io.note(text),
        onKept: () => keepWithinBounds(io)
      })
      endAs(ended)
    })
}

/** Words before `--` are the target and words after it the command. Without `--` the first word is the target. */
function splitWords(words: string[], command: Command): { target: string[]; command: string[] } {
  const typed: string[] = (command.parent as unknown as { rawArgs: string[] }).rawArgs
  const separator = typed.indexOf('--')
  if (separator < 0) return { target: words.slice(0, 1), command: words.slice(1) }
  const after = typed.slice(separator + 1)
  return { target: words.slice(0, words.length - after.length), command: after }
}

async function openRunnable(context: Context, target: string[], options: Options): Promise<Runnable> {
  const existing = target.length === 1 ? await existingRoot(target[0]) : undefined
  if (existing !== undefined) return trustedRunnable(existing, await context.openStoreIfMade())
  const store = await context.openStore()
  const resolved = await resolveTarget(
    store,
    target,
    context.stackFile,
    directory => openSandboxTarget(store, directory, { checkContents: false }),
    { openImage: openImageWith(context, store, options) }
  )
  const bar = new ProgressBar(context.io)
  let done = 0
  const image = await cachedImage(store, resolved, bytes => {
    done += bytes
    bar.update(resolved.name, done)
  }).finally(() => bar.clear())
  return runnableOf(image)
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
function endAs({ status, signal }: Ended): void {
  if (signal !== undefined) throw new EndedBySignal(signal)
  if (status !== 0) throw new ExitStatus(status!)
}

/** @throws StrataError if the source of a bind that the user asked for does not exist */
function askedBind(text: string): Bind {
  const bind = parseBind(text)
  if (statSync(bind.source, { throwIfNoEntry: false }) !== undefined) return bind
  throw new StrataError('USAGE', {
    message: `--bind ${text}: ${bind.source} does not exist on this host`,
    hint: '--bind SRC[:DST[:ro]], where SRC is a file or folder of the host'
  })
}

function parseVariable(text: string): [string, string] {
  const [, name, value] = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(text) ?? []
  if (name === undefined)
    throw new StrataError('USAGE', {
      message: `--env ${text}: is not of the form NAME=VALUE`,
      hint: '--env OMP_NUM_THREADS=4'
    })
  return [name, value]
}
