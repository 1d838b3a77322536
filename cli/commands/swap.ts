import type { Command } from 'commander'
import { loadedRequest, swapModules } from '../../compose/stack/index.ts'
import { runEdit } from './edit-command.ts'

export default (program: Command): void => {
  program
    .command('swap OLD [NEW]')
    .alias('switch')
    .summary('replace a module in the stack by another')
    .description(
      'Replace the module OLD of the stack by NEW. With one name: replace the version in the stack by this one.'
    )
    .option('--hidden', 'also accept hidden modules')
    .addHelpText('after', '\nExample:\n  compose swap mpi/openmpi mpi/mpich\n  compose swap mpi/openmpi-5')
    .action(
      async (old: string, fresh: string | undefined, options: { hidden?: boolean }, command: Command) => {
        await runEdit(command, async (store, { stackFile }) => {
          if (fresh === undefined) {
            const request = await store.parseTypedRequest(old, options)
            const { category, name } = request
            return swapModules(store, stackFile, { category, name }, request, options)
          }
          const left = await loadedRequest(store, stackFile, old)
          return swapModules(store, stackFile, left, await store.parseTypedRequest(fresh, options), options)
        })
      }
    )
}
