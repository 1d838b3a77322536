import type { Command } from 'commander'
import { signersOf } from '../../compose/outputs/index.ts'
import { formatModuleName } from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { formatCid, StrataError } from '../../store/values/index.ts'
import { contextOf } from '../context/index.ts'
import { describedJson, renderDescribed } from '../render/index.ts'

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

/** An unknown module may be one that a remote offers. */
async function namingRemote(store: Repository, word: string, error: unknown): Promise<unknown> {
  if (!(error instanceof StrataError) || error.code !== 'MODULE_UNKNOWN') return error
  const offers = await store.offers()
  const offer = offers.find(({ record }) => {
    const { category, name, version } = record
    return [`${category}/${name}`, name, `${category}/${name}-${version}`].includes(word)
  })
  if (offer === undefined) return error
  const module = formatModuleName(offer.record)
  return new StrataError('MODULE_UNKNOWN', {
    message: `no store has ${module}; remote ${offer.remote.name} offers it`,
    facts: { module, record: formatCid(offer.id), remote: offer.remote.name },
    hint: `compose spider ${module}, or compose pull ${module}`,
    cause: error
  })
}
