import { statSync } from 'node:fs'
import type { Command } from 'commander'
import { keepNoted, trimCache } from '../../compose/cache/index.ts'
import { openSandboxTarget, resolveTarget } from '../../compose/outputs/index.ts'
import {
  type Bind,
  cachedImage,
  type DirectoryRoot,
  directoryOf,
  type Ended,
  existingRoot,
  findProgram,
  findRuntime,
  insideEnvironment,
  isShown,
  missingProgram,
  type PreparedMounts,
  parseBind,
  prepareMounts,
  RUNTIME_NAMES,
  type Runnable,
  type RunRequest,
  type RunSettings,
  type Runtime,
  readRunSettings,
  runnableOf,
  runProgram,
  startsImages,
  type TreeToMountIn,
  usualBinds
} from '../../compose/run/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { type Context, collect, contextOf, ProgressBar } from '../context/index.ts'
import { usualBounds } from '../flags/index.ts'
import { EndedBySignal, ExitStatus, type Io } from '../process/index.ts'
import { formatBytes } from '../render/index.ts'

interface Options {
  runtime?: string
  runtimeOption?: string[]
  bind?: string[]
  env?: string[]
  cwd?: string
  contain?: boolean
  home?: boolean
}

const EXAMPLES = `
Without a target, CMD runs in the stack. One IMAGE or SANDBOX may be followed by CMD directly; after modules, a
lock or a list, write -- before CMD. Their image is built once and kept in your cache. Without CMD, the runscript
of the image runs.

Examples:
  compose run -- mpirun -n 2 solver input.dat
  compose run vasp.sqfs --bind /scratch:/mnt/0 -- vasp_std
  compose run base/debian app/vasp -- vasp_std
  compose run --runtime bwrap ./vasp -- bash`

export default (program: Command): void => {
  program
    .command('run [WORDS...]')
    .usage('[options] [IMAGE|SANDBOX|TARGET...] [--] [CMD...]')
    .summary('run a program in an image, a sandbox or the stack')
    .description(
      'Run CMD in TARGET with the installed container runtime, in the environment that the modules set.'
    )
    .option('--runtime <NAME>', `${RUNTIME_NAMES.join(', ')} (default: the first of these that is installed)`)
    .option('--runtime-option <OPTION>', 'pass this option to the runtime unchanged (repeatable)', collect)
    .option('--bind <SRC[:DST[:ro]]>', 'make SRC of the host available at DST (repeatable)', collect)
    .option('--env <K=V>', 'set an environment variable (repeatable)', collect)
    .option('--cwd <DIR>', 'folder to start in (default: the current one, else home, else /)')
    .option('--no-home', 'do not mount your home folder')
    .option('--contain', 'mount only the folders that --bind names, and start in /')
    .addHelpText('after', EXAMPLES)
    .action(async (words: string[], options: Options, command: Command) => {
      const context = contextOf(command)
      const { target, command: typed } = splitWords(words, command)
      const binds = (options.bind ?? []).map(askedBind)
      const added = Object.fromEntries((options.env ?? []).map(parseVariable))
      const runnable = await openRunnable(context, target)
      endAs(await start(context, runnable, options, { command: typed, binds, added }))
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

async function openRunnable(context: Context, target: string[]): Promise<Runnable> {
  const existing = target.length === 1 ? await existingRoot(target[0]) : undefined
  if (existing !== undefined) return runnableOf(existing)
  const store = await context.openStore()
  const resolved = await resolveTarget(store, target, context.stackFile, directory =>
    openSandboxTarget(store, directory, { checkContents: false })
  )
  const bar = new ProgressBar(context.io)
  let done = 0
  const image = await cachedImage(store, resolved, bytes => {
    done += bytes
    bar.update(resolved.name, done)
  }).finally(() => bar.clear())
  return runnableOf(image)
}

async function start(
  { io }: Context,
  { root, records }: Runnable,
  { runtime: name, runtimeOption: options = [], cwd, contain = false, home: isHomeWanted = true }: Options,
  asked: Pick<RunRequest, 'command' | 'binds' | 'added'>
): Promise<Ended> {
  const settings = await readRunSettings(process.env)
  const found = await findRuntime(name ?? settings.runtime, process.env)
  const usual = contain ? [] : usualOf(settings, found.runtime, asked.binds, isHomeWanted)
  const wantsPlaces =
    found.runtime.makesPlaces === 'skeleton' &&
    usual.length + asked.binds.length > 0 &&
    (await findProgram('squashfuse', process.env)) !== undefined
  const needsDirectory = root.kind === 'image' && (wantsPlaces || !(await startsImages(found)))
  const directory = needsDirectory ? await directoryOf(root.path, found.runtime, process.env) : undefined
  const kept = [root.kept, directory?.kept].flatMap(use => use ?? [])
  const noting = keepNoted(kept, process.env)
  try {
    io.note(`running with ${found.program}${directory === undefined ? '' : `, ${directory.how}`}`)
    if (kept.some(({ isNew }) => isNew)) keepWithinBounds(io)
    const mounts = mountsOf(found.runtime, root, directory, asked.binds, usual)
    for (const note of mounts.notes) io.note(note)
    try {
      const request: RunRequest = {
        ...asked,
        root: { kind: directory === undefined ? root.kind : 'directory', path: mounts.path },
        parts: mounts.parts,
        binds: mounts.binds,
        environment: insideEnvironment(records, process.env, asked.added),
        workingFolder: cwd ?? (contain ? undefined : startFolder(found.runtime, mounts.binds)),
        options: [...ownOptions(found.runtime, { contain, isHomeWanted }), ...options]
      }
      const ended = await runProgram(found.runtime.commandLine(found.program, request, process.env))
      const missing = ended.status === 0 || ended.status === undefined ? undefined : missingProgram(request)
      if (missing !== undefined) io.note(missing.message)
      return missing === undefined ? ended : { status: missing.status }
    } finally {
      mounts.release()
    }
  } finally {
    noting.stop()
    await directory?.release()
  }
}

/** Home, the working folder and the binds of the settings. Apptainer mounts the first two itself. */
function usualOf(settings: RunSettings, runtime: Runtime, asked: Bind[], isHomeWanted: boolean): Bind[] {
  if (runtime.makesPlaces === 'itself') return settings.binds
  const home = settings.home && isHomeWanted ? process.env.HOME : undefined
  const workingFolder = settings.workingFolder ? process.cwd() : undefined
  return [...usualBinds({ home, workingFolder, others: [...settings.binds, ...asked] }), ...settings.binds]
}

function mountsOf(
  runtime: Runtime,
  root: Runnable['root'],
  directory: DirectoryRoot | undefined,
  asked: Bind[],
  usual: Bind[]
): PreparedMounts {
  const plain = { path: directory?.path ?? root.path, notes: [], release: () => {} }
  if (runtime.makesPlaces === 'itself') return { ...plain, binds: [...usual, ...asked] }
  if (directory === undefined && root.kind === 'image') {
    const notes = usual.map(
      ({ source }) =>
        `${source} is not mounted, because the image has no folder at that place; one can be made only if squashfuse is installed`
    )
    return { ...plain, binds: asked, notes }
  }
  const tree: TreeToMountIn =
    directory === undefined
      ? { path: root.path, origin: 'given' }
      : { path: directory.path, origin: directory.kept === undefined ? 'mounted' : 'kept' }
  return prepareMounts(runtime, tree, asked, usual)
}

/** The current folder, if it has the same name inside. Apptainer finds it by itself. */
function startFolder(runtime: Runtime, binds: Bind[]): string | undefined {
  if (runtime.makesPlaces === 'itself') return undefined
  return [process.cwd(), process.env.HOME ?? ''].find(folder => isShown(folder, binds))
}

function ownOptions(
  runtime: Runtime,
  { contain, isHomeWanted }: { contain: boolean; isHomeWanted: boolean }
) {
  if (runtime.makesPlaces !== 'itself') return []
  return [...(contain ? ['--contain'] : []), ...(isHomeWanted ? [] : ['--no-home'])]
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
