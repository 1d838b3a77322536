import type { Command } from 'commander'
import { loadedRequest, swapModules } from '../../compose/stack/index.ts'
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
        await runEdit(command, async (store, { stackFile }) => {
          if (fresh === undefined) {
            const request = await store.typedRequest(old, options)
            const { category, name } = request
            return swapModules(store, stackFile, { category, name }, request, options)
          }
          const left = await loadedRequest(store, stackFile, old)
          return swapModules(store, stackFile, left, await store.typedRequest(fresh, options), options)
        })
      }
    )
}
