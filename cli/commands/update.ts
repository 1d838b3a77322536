import type { Command } from 'commander'
import { loadedRequest, updateModules } from '../../compose/stack/index.ts'
import { eachRequest, runEdit } from './edit-command.ts'

export default (program: Command): void => {
  program
    .command('update [MODULE...]')
    .summary('take newer versions, within what is asked for')
    .description(
      'Resolve the stack without regard to stack.lock, or to what it says of some modules: defaults and highest\nversions as of now, within what stack.yaml asks for. stack.lock follows.'
    )
    .addHelpText('after', '\nExample:\n  compose update\n  compose update mpi/openmpi')
    .action(async (words: string[], _options: object, command: Command) => {
      await runEdit(command, async (store, { stackFile }) => {
        const names = await eachRequest(words, word => loadedRequest(store, stackFile, word))
        return updateModules(store, stackFile, names)
      })
    })
}
