import type { Command } from 'commander'
import { type BuildReport, buildImage } from '../../compose/build/build-image.ts'
import { buildSandbox } from '../../compose/build/build-sandbox.ts'
import { openSandboxTarget } from '../../compose/build/sandbox-target.ts'
import { resolveTarget } from '../../compose/build/target.ts'
import { StrataError } from '../../store/errors.ts'
import { type Context, contextOf } from '../command.ts'
import { noteDeprecated } from '../deprecated.ts'
import { type ImageFlags, imageOptions, withImageFlags } from '../image-flags.ts'
import { ProgressBar } from '../progress.ts'
import { buildJson, renderBuild, renderSandbox, sandboxJson } from '../render/build-report.ts'

interface Options extends ImageFlags {
  sandbox?: string
  format?: string
  sync: boolean
  verify?: boolean
  verbose?: boolean
  recordOnly?: boolean
  checkContents?: boolean
}

const EXAMPLES = `
TARGET is the stack (default), modules, a lock, a layer hash list (a file or -), a sandbox, or a tarball.

Examples:
  compose build vasp.sqfs base/debian mpi/openmpi app/vasp --for group:vasp
  compose build vasp.sqfs stack.lock
  compose list --layers | compose build vasp.sqfs -
  compose build --sandbox ./vasp base/debian app/vasp
  compose build edited.sqfs ./vasp`

export default (program: Command): void => {
  withImageFlags(
    program
      .command('build [OUT] [TARGET...]')
      .summary('link modules into an image, or write a sandbox')
      .description('Make OUT, one immutable SquashFS image, or with --sandbox a directory, from TARGET.')
  )
    .option('--sandbox <DIR>', 'write the merged tree as a directory')
    .option('--format <FORMAT>', 'squashfs', 'squashfs')
    .option('--no-sync', 'leave flushing to the kernel')
    .option('--verify', 'check every byte that is read, and hash the image')
    .option('--record-only', 'sandbox on a file system without ACLs or attributes: record them')
    .option('--check-contents', 'from a sandbox: hash every file, do not trust sizes and times')
    .option('--verbose', 'list paths, do not only count them')
    .addHelpText('after', EXAMPLES)
    .action(async (out: string | undefined, words: string[], options: Options, command: Command) => {
      const context = contextOf(command)
      if (options.format !== 'squashfs')
        throw new StrataError('USAGE', {
          message: `--format ${options.format} is not squashfs`,
          hint: 'compose build OUT.sqfs'
        })
      if (options.sandbox !== undefined)
        await toSandbox(context, options.sandbox, out === undefined ? [] : [out, ...words], options)
      else if (out !== undefined) await toImage(context, out, words, options)
      else throw new StrataError('USAGE', { message: 'no OUT', hint: 'compose build OUT.sqfs [TARGET...]' })
    })
}

async function toImage(context: Context, out: string, words: string[], options: Options): Promise<void> {
  const store = await context.openStore()
  const target = await resolveTarget(store, words, context.stackFile, directory =>
    openSandboxTarget(store, directory, { checkContents: options.checkContents === true })
  )
  await noteDeprecated(context.io, store, target.modules)
  const bar = new ProgressBar(context.io)
  let linked = 0
  const report: BuildReport = await buildImage(store, target, {
    ...imageOptions(options),
    out,
    sync: options.sync,
    verify: options.verify === true,
    onProgress: bytes => {
      linked += bytes
      bar.update(out, linked)
    }
  }).finally(() => bar.clear())
  context.result(buildJson(report), () => renderBuild(report, options.verbose === true))
}

async function toSandbox(
  context: Context,
  directory: string,
  words: string[],
  options: Options
): Promise<void> {
  const store = await context.openStore()
  const target = await resolveTarget(store, words, context.stackFile, sandbox =>
    openSandboxTarget(store, sandbox, { checkContents: options.checkContents === true })
  )
  await noteDeprecated(context.io, store, target.modules)
  const bar = new ProgressBar(context.io)
  const report = await buildSandbox(store, target, {
    ...imageOptions(options),
    directory,
    verify: options.verify === true,
    recordOnly: options.recordOnly === true,
    onProgress: bytes => bar.update(directory, bytes)
  }).finally(() => bar.clear())
  context.result(sandboxJson(report), () => renderSandbox(report))
}
