import type { Command } from 'commander'
import { contextOf } from '../context/index.ts'
import { openRunnable, type StartFlags, startCommand, withStartFlags } from './start-command.ts'

const EXAMPLES = `
Without a target, CMD runs in the stack. One IMAGE, SANDBOX or docker:// address may be followed by CMD directly;
after modules, a lock or a list, write -- before CMD. Their image is built once and kept in your cache. Without
CMD, the runscript of the image runs.

Examples:
  compose run -- mpirun -n 2 solver input.dat
  compose run vasp.sqfs --bind /scratch:/mnt/0 -- vasp_std
  compose run base/debian app/vasp -- vasp_std
  compose run docker://debian:12 -- cat /etc/os-release
  compose run --overlay changes vasp.sqfs -- make install
  compose run --runtime bwrap ./vasp -- bash`

export default (program: Command): void => {
  const command = program
    .command('run [WORDS...]')
    .usage('[options] [IMAGE|SANDBOX|TARGET...] [--] [CMD...]')
    .summary('run a program in an image, a sandbox or the stack')
    .description(
      'Run CMD in TARGET, in the environment that the modules set, with the launcher of Strata or another runtime.'
    )
  withStartFlags(command)
    .addHelpText('after', EXAMPLES)
    .action(async (words: string[], flags: StartFlags, command: Command) => {
      const context = contextOf(command)
      const { target, command: typed } = splitWords(words, command)
      const { runnable } = await openRunnable(context, target, flags)
      await startCommand(context, runnable, typed, flags)
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
