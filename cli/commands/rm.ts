import type { Command } from 'commander'
import { loadedRequest, removeModules } from '../../compose/stack/index.ts'
import { assertNamed, eachRequest, runEdit } from './edit-command.ts'

export default (program: Command): void => {
  program
    .command('rm [MODULE...]')
    .aliases(['del', 'unload'])
    .summary('remove modules from the stack')
    .description(
      'Remove modules from the stack, and the modules that only they required. A module that another one requires stays. A module that is not in the stack is not an error.'
    )
    .addHelpText('after', '\nExample:\n  compose rm app/vasp')
    .action(async (words: string[], _options: object, command: Command) => {
      assertNamed(words, 'compose rm mpi/openmpi')
      await runEdit(command, async (store, { stackFile }) => {
        const requests = await eachRequest(words, word => loadedRequest(store, stackFile, word))
        return removeModules(store, stackFile, requests)
      })
    })
}
