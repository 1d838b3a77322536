import type { Command } from 'commander'
import { openSandboxTarget } from '../../compose/build/sandbox-target.ts'
import { resolveTarget } from '../../compose/build/target.ts'
import { whichModule } from '../../compose/build/which.ts'
import { parseTreePath } from '../../store/module/tree-path.ts'
import { contextOf } from '../command.ts'

export default (program: Command): void => {
  program
    .command('which PATH [TARGET...]')
    .summary('the module that owns a path')
    .description('Say which module of TARGET (default: the stack) brought PATH, and what it is.')
    .addHelpText('after', '\nExample:\n  compose which /usr/bin/mpirun')
    .action(async (path: string, words: string[], _options: object, command: Command) => {
      const context = contextOf(command)
      const store = await context.openStore()
      const target = await resolveTarget(store, words, context.stackFile, directory =>
        openSandboxTarget(store, directory, { checkContents: false })
      )
      const found = await whichModule(store, target, parseTreePath(path, 'PATH'))
      context.result(found, () => `${found.path}: ${found.module}`)
    })
}
