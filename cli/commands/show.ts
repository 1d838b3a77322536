import type { Command } from 'commander'
import { signersOf } from '../../compose/outputs/index.ts'
import { contextOf } from '../context/index.ts'
import { describedJson, renderDescribed } from '../render/index.ts'
import { namingRemote } from './finding.ts'

export default (program: Command): void => {
  program
    .command('show MODULE')
    .summary('show all about one published module')
    .description(
      'Print the record of a module, its layers, their sizes, and the number of paths with ACLs.\nMODULE may be the id of a record, also of one that was replaced.'
    )
    .addHelpText('after', '\nExample:\n  compose show mpi/openmpi')
    .action(async (module: string, _options: object, command: Command) => {
      const context = contextOf(command)
      const store = await context.openStore()
      const found = await store.findRecord(module).catch(async error => {
        throw await namingRemote(store, module, error)
      })
      const described = await store.describeModule(found.record)
      const signers = await signersOf(store, found.record)
      context.result(describedJson(described, found.store.root, signers), () =>
        renderDescribed(described, found.store.root, signers)
      )
    })
}
