import type { Command } from 'commander'
import { DEFAULT_COLLECTION, saveCollection } from '../../compose/stack/index.ts'
import { contextOf } from '../context/index.ts'

export default (program: Command): void => {
  program
    .command('save [NAME]')
    .summary('save the stack under a name')
    .description(
      `Save the stack as NAME (default: ${DEFAULT_COLLECTION}), for compose restore. Versions that you typed are kept; for a name without version, compose restore takes the default of that time.`
    )
    .addHelpText('after', '\nExample:\n  compose save chemistry\n  compose restore chemistry')
    .action(async (name: string | undefined, _options: object, command: Command) => {
      const context = contextOf(command)
      const collection = name ?? DEFAULT_COLLECTION
      const file = await saveCollection(context.stackFile, collection)
      context.io.note(`Saved current collection of modules to: "${collection}"`)
      context.result({ collection, output: file }, () => '')
    })
}
