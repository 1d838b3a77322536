import type { Command } from 'commander'
import { loadedRequest, updateModules } from '../../compose/stack/index.ts'
import { eachRequest, runEdit } from './edit-command.ts'

export default (program: Command): void => {
  program
    .command('update [MODULE...]')
    .summary('move the stack to newer versions')
    .description(
      'Resolve the stack again, to the defaults and highest versions of today that stack.yaml allows, and write stack.lock.\nWith MODULE, only these modules change; the others keep the versions of stack.lock.'
    )
    .addHelpText('after', '\nExample:\n  compose update\n  compose update mpi/openmpi')
    .action(async (words: string[], _options: object, command: Command) => {
      await runEdit(command, async (store, { stackFile }) => {
        const names = await eachRequest(words, word => loadedRequest(store, stackFile, word))
        return updateModules(store, stackFile, names)
      })
    })
}
