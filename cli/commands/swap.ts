import type { Command } from 'commander'
import { swapModules } from '../../compose/stack/edit-stack.ts'
import { parseModuleRequest } from '../../store/module/name.ts'
import { runEdit } from './edit-command.ts'

export default (program: Command): void => {
  program
    .command('swap OLD [NEW]')
    .alias('switch')
    .summary('put a module in the place of another')
    .description('Put NEW in the place of OLD. With one name: another version of what is there.')
    .option('--hidden', 'take hidden modules like others')
    .addHelpText('after', '\nExample:\n  compose swap mpi/openmpi mpi/mpich\n  compose swap mpi/openmpi-5')
    .action(
      async (old: string, fresh: string | undefined, options: { hidden?: boolean }, command: Command) => {
        const request = parseModuleRequest(fresh ?? old)
        const { category, name } = request
        const left = fresh === undefined ? { category, name } : parseModuleRequest(old)
        await runEdit(command, (store, { stackFile }) =>
          swapModules(store, stackFile, left, request, options)
        )
      }
    )
}
