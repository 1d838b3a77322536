import type { Command } from 'commander'
import { addModules } from '../../compose/stack/index.ts'
import { assertNamed, eachRequest, runEdit } from './edit-command.ts'

const EXAMPLE = `
Example:
  compose add base/debian mpi/openmpi-4
  compose add app/vasp            the default version, or the highest
  compose add vasp                the same, where one module has that name
  compose add 'mpi/openmpi >= 4.1, < 5'`

export default (program: Command): void => {
  program
    .command('add [MODULE...]')
    .alias('load')
    .summary('add modules to the stack')
    .description(
      'Add modules to the stack, together with the modules that they require, and update stack.lock.'
    )
    .option('--hidden', 'also accept hidden modules')
    .addHelpText('after', EXAMPLE)
    .action(async (words: string[], options: { hidden?: boolean }, command: Command) => {
      assertNamed(words, 'compose add mpi/openmpi')
      await runEdit(command, async (store, { stackFile }) => {
        const requests = await eachRequest(words, word => store.parseTypedRequest(word, options))
        return addModules(store, stackFile, requests, options)
      })
    })
}
