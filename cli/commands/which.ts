import type { Command } from 'commander'
import { isImage } from '../../compose/inspect/index.ts'
import {
  type OwnedBy,
  openSandboxTarget,
  resolveTarget,
  whichInImage,
  whichModule
} from '../../compose/outputs/index.ts'
import { parseTreePath } from '../../store/module/index.ts'
import { contextOf } from '../context/index.ts'

export default (program: Command): void => {
  program
    .command('which PATH [TARGET...]')
    .summary('find the module that a path comes from')
    .description(
      'Print the module of TARGET that PATH comes from. TARGET is the stack (default), modules, a lock or an image.'
    )
    .addHelpText('after', '\nExample:\n  compose which /usr/bin/mpirun')
    .action(async (path: string, words: string[], _options: object, command: Command) => {
      const context = contextOf(command)
      const tell = (found: OwnedBy) => context.result(found, () => `${found.path}: ${found.module}`)
      const treePath = parseTreePath(path, 'PATH')
      if (words.length === 1 && isImage(words[0])) return tell(await whichInImage(words[0], treePath))
      const store = await context.openStore()
      const target = await resolveTarget(store, words, context.stackFile, directory =>
        openSandboxTarget(store, directory, { checkContents: false })
      )
      tell(await whichModule(store, target, treePath))
    })
}
