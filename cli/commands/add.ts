import type { Command } from 'commander'
import { addModules } from '../../compose/stack/edit-stack.ts'
import { requestsOf, runEdit } from './edit-command.ts'

const EXAMPLE = `
Example:
  compose add base/debian mpi/openmpi-4
  compose add app/vasp            the default version, or the highest`

export default (program: Command): void => {
  program
    .command('add [MODULE...]')
    .alias('load')
    .summary('put modules into the stack')
    .description(
      'Put modules into the stack, and resolve it: what they require comes along, and stack.lock follows.'
    )
    .option('--hidden', 'take hidden modules like others')
    .addHelpText('after', EXAMPLE)
    .action(async (words: string[], options: { hidden?: boolean }, command: Command) => {
      const requests = requestsOf(words, 'compose add mpi/openmpi')
      await runEdit(command, (store, { stackFile }) => addModules(store, stackFile, requests, options))
    })
}
