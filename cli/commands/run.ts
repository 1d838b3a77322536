import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { openSandboxTarget } from '../../compose/build/sandbox-target.ts'
import { resolveTarget } from '../../compose/build/target.ts'
import { findRuntime, startsImages } from '../../compose/run/find-runtime.ts'
import { directoryOf } from '../../compose/run/image-root.ts'
import { insideEnvironment } from '../../compose/run/inside-environment.ts'
import { type Ended, runProgram } from '../../compose/run/run-program.ts'
import { cachedImage, existingRoot, type Runnable, runnableOf } from '../../compose/run/runnable.ts'
import { type Bind, RUNTIME_NAMES, type RunRequest } from '../../compose/run/runtime.ts'
import { StrataError } from '../../store/errors.ts'
import { type Context, collect, contextOf } from '../command.ts'
import { ExitStatus } from '../io.ts'
import { ProgressBar } from '../progress.ts'

interface Options {
  runtime?: string
  runtimeOption?: string[]
  bind?: string[]
  env?: string[]
  cwd?: string
}

const EXAMPLES = `
Without a target it is the stack. A single IMAGE or sandbox may stand before its command without --; modules, a lock
or a list are told from the command by --. Their image is built once and kept in the user's cache.
Without a command the runscript is run.

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
    .description('Run CMD with the container runtime that is installed, in the environment of the modules.')
    .option('--runtime <NAME>', `${RUNTIME_NAMES.join(', ')} (default: the first that is installed)`)
    .option('--runtime-option <OPTION>', 'hand an option to the runtime as it is (repeatable)', collect)
    .option(
      '--bind <SRC[:DST[:ro]]>',
      'mount SRC of the host at DST, which is there in the tree (repeatable)',
      collect
    )
    .option('--env <K=V>', 'set a variable (repeatable)', collect)
    .option('--cwd <DIR>', 'folder in the tree to start in')
    .addHelpText('after', EXAMPLES)
    .action(async (words: string[], options: Options, command: Command) => {
      const context = contextOf(command)
      const { target, command: typed } = splitWords(words, command)
      const binds = await Promise.all((options.bind ?? []).map(parseBind))
      const added = Object.fromEntries((options.env ?? []).map(parseVariable))
      const runnable = await openRunnable(context, target)
      endAs(await start(context, runnable, options, { command: typed, binds, added }))
    })
}

/** Words before `--` are the target, those after it the command; without it the first word is the target. */
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
  { runtime: name, runtimeOption: options = [], cwd }: Options,
  asked: Pick<RunRequest, 'command' | 'binds' | 'added'>
): Promise<Ended> {
  const found = await findRuntime(name, process.env)
  const needsDirectory = root.kind === 'image' && !(await startsImages(found))
  const directory = needsDirectory ? await directoryOf(root.path, found.runtime, process.env) : undefined
  try {
    io.note(`running with ${found.program}${directory === undefined ? '' : `, ${directory.how}`}`)
    const request: RunRequest = {
      ...asked,
      root: directory === undefined ? root : { kind: 'directory', path: directory.path },
      environment: insideEnvironment(records, process.env, asked.added),
      workingFolder: cwd,
      options
    }
    return await runProgram(found.runtime.commandLine(found.program, request, process.env))
  } finally {
    await directory?.release()
  }
}

/** End as the program did: with its status, or by the same signal. */
function endAs({ status, signal }: Ended): void {
  if (signal !== undefined) process.kill(process.pid, signal)
  else if (status !== 0) throw new ExitStatus(status!)
}

/** `SRC`, `SRC:DST`, `SRC:DST:ro`; without DST the same path. */
async function parseBind(text: string): Promise<Bind> {
  const [source, target, mode, ...rest] = text.split(':')
  if (source === '' || rest.length > 0 || (mode !== undefined && mode !== 'ro' && mode !== 'rw'))
    throw new StrataError('USAGE', {
      message: `--bind ${text}: wanted SRC, SRC:DST or SRC:DST:ro`,
      hint: '--bind /scratch:/mnt/0'
    })
  const path = resolve(source)
  await stat(path).catch((cause: NodeJS.ErrnoException) => {
    throw new StrataError('USAGE', {
      message: `--bind ${text}: ${path} cannot be used: ${cause.code}`,
      cause
    })
  })
  const place = target || path
  if (!place.startsWith('/'))
    throw new StrataError('USAGE', { message: `--bind ${text}: ${place} is no absolute path` })
  return { source: path, target: place, isReadOnly: mode === 'ro' }
}

function parseVariable(text: string): [string, string] {
  const [, name, value] = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(text) ?? []
  if (name === undefined)
    throw new StrataError('USAGE', {
      message: `--env ${text}: wanted NAME=VALUE`,
      hint: '--env OMP_NUM_THREADS=4'
    })
  return [name, value]
}
