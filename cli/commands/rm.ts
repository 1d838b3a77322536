import type { Command } from 'commander'
import { loadedRequest, removeModules } from '../../compose/stack/index.ts'
import { assertNamed, eachRequest, runEdit } from './edit-command.ts'

export default (program: Command): void => {
  program
    .command('rm [MODULE...]')
    .aliases(['del', 'unload'])
    .summary('take modules out of the stack')
    .description(
      'Take modules out of the stack, and what came along for them alone. What others require stays; what is not\nthere is no error.'
    )
    .addHelpText('after', '\nExample:\n  compose rm app/vasp')
    .action(async (words: string[], _options: object, command: Command) => {
      assertNamed(words, 'compose rm mpi/openmpi')
      await runEdit(command, async (store, { stackFile }) => {
        const requests = await eachRequest(words, word => loadedRequest(store, stackFile, word))
        return removeModules(store, stackFile, requests)
      })
    })
}
