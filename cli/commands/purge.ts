import type { Command } from 'commander'
import { purgeModules } from '../../compose/stack/index.ts'
import { runEdit } from './edit-command.ts'

export default (program: Command): void => {
  program
    .command('purge')
    .summary('remove all modules from the stack')
    .description(
      'Remove all modules from the stack. The file keeps its comments and its audience; stack.lock is deleted.'
    )
    .addHelpText('after', '\nExample:\n  compose save before && compose purge')
    .action(async (_options: object, command: Command) => {
      await runEdit(command, (store, { stackFile }) => purgeModules(store, stackFile))
    })
}
