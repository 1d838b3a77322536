import { basename, dirname, resolve } from 'node:path'
import { isatty } from 'node:tty'
import type { Command } from 'commander'
import { contextOf } from '../context/index.ts'
import { openRunnable, type StartFlags, startCommand, withStartFlags } from './start-command.ts'

const EXAMPLES = `
Without a target, the shell starts in the stack. It is bash if the image has it, else sh. Its prompt names the
stack, and your own start-up files are not read, because they are made for the host.

Examples:
  compose shell
  compose shell vasp.sqfs --bind /scratch
  compose shell --writable base/debian`

export default (program: Command): void => {
  const command = program
    .command('shell [TARGET...]')
    .summary('an interactive shell in an image, a sandbox or the stack')
    .description('Start a shell in TARGET, in the environment that the modules set.')
  withStartFlags(command)
    .option('--shell <FILE>', 'a shell of the image (default: bash, else sh)')
    .addHelpText('after', EXAMPLES)
    .action(async (words: string[], flags: StartFlags & { shell?: string }, command: Command) => {
      const context = contextOf(command)
      const { runnable, name } = await openRunnable(context, words, flags)
      await startCommand(context, runnable, shellCommand(flags.shell), flags, {
        STRATA_PROMPT: promptName(name)
      })
    })
}

/** The image's sh finds out what else there is. Only bash knows the folder in a prompt. */
function shellCommand(shell: string | undefined): string[] {
  const mode = isatty(0) ? '-i' : ''
  if (shell !== undefined) return ['sh', '-c', `PS1="[$STRATA_PROMPT] \\$ " exec "$0" ${mode}`, shell]
  const script = `
    if command -v bash > /dev/null; then PS1="[$STRATA_PROMPT] \\w \\$ " exec bash --noprofile --norc ${mode}; fi
    PS1="[$STRATA_PROMPT] $ " exec sh ${mode}`
  return ['sh', '-c', script]
}

/** The file's name without its ending; of a stack file or lock with the usual name, that of its folder. */
function promptName(name: string): string {
  const file = basename(name)
  const word = /^stack\.(yaml|lock)$/.test(file) ? basename(dirname(resolve(name))) : file
  // A shell would act on other characters in its prompt.
  return word.replace(/\.(sqfs|squashfs|sif|lock|yaml)$/, '').replace(/[^\w.+@ -]/g, '_')
}
