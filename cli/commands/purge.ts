import type { Command } from 'commander'
import { purgeModules } from '../../compose/stack/index.ts'
import { runEdit } from './edit-command.ts'

export default (program: Command): void => {
  program
    .command('purge')
    .summary('take all modules out of the stack')
    .description('Take all modules out of the stack. Its comments and for whom it is stay; stack.lock goes.')
    .addHelpText('after', '\nExample:\n  compose save before && compose purge')
    .action(async (_options: object, command: Command) => {
      await runEdit(command, (store, { stackFile }) => purgeModules(store, stackFile))
    })
}
