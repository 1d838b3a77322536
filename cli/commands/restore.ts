import type { Command } from 'commander'
import { DEFAULT_COLLECTION, restoreCollection } from '../../compose/stack/index.ts'
import { runEdit } from './edit-command.ts'

export default (program: Command): void => {
  program
    .command('restore [NAME]')
    .summary('replace the stack by a saved one')
    .description(
      `Replace the stack by the one that was saved as NAME (default: ${DEFAULT_COLLECTION}). If the saved stack cannot be resolved any more, nothing changes.`
    )
    .addHelpText('after', '\nExample:\n  compose restore chemistry')
    .action(async (name: string | undefined, _options: object, command: Command) => {
      const collection = name ?? DEFAULT_COLLECTION
      await runEdit(command, async (store, { stackFile, io }) => {
        const change = await restoreCollection(store, stackFile, collection)
        io.note(`Restoring modules from user's ${collection}`)
        return change
      })
    })
}
