import type { Command } from 'commander'
import { DEFAULT_COLLECTION, describeCollection } from '../../compose/stack/index.ts'
import { contextOf } from '../context/index.ts'
import { columns } from '../render/index.ts'

export default (program: Command): void => {
  program
    .command('describe [NAME]')
    .summary('list the modules of a saved stack')
    .description(`List the modules that the stack saved as NAME asks for (default: ${DEFAULT_COLLECTION}).`)
    .addHelpText('after', '\nExample:\n  compose describe chemistry')
    .action(async (name: string | undefined, _options: object, command: Command) => {
      const context = contextOf(command)
      const collection = name ?? DEFAULT_COLLECTION
      const modules = await describeCollection(collection)
      context.result({ collection, modules }, () =>
        [
          `Collection "${collection}" contains: `,
          ...columns(
            modules.map((module, i) => `${String(i + 1).padStart(4)}) ${module}`),
            context.io.outColumns,
            1
          )
        ].join('\n')
      )
    })
}
