import type { Command } from 'commander'
import { DEFAULT_COLLECTION, saveCollection } from '../../compose/stack/index.ts'
import { contextOf } from '../context/index.ts'

export default (program: Command): void => {
  program
    .command('save [NAME]')
    .summary('put the stack by under a name')
    .description(
      `Put the stack by under NAME (default: ${DEFAULT_COLLECTION}), for compose restore. A version that was typed stays; a name\nwithout one follows the default.`
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
