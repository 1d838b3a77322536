import type { Command } from 'commander'
import { formatModuleName } from '../../store/module/index.ts'
import type { ModuleSpace } from '../../store/usage/index.ts'
import { contextOf } from '../context/index.ts'
import { renderSpace, spaceJson } from '../render/index.ts'

export default (program: Command): void => {
  program
    .command('du [MODULE...]')
    .summary('show the space that modules take in the store, and share')
    .description(
      'List the space that modules take in the store: unpacked, in the store, and how much of that no other published module needs. With MODULE, also list the modules that it shares files with.\nRemoving a module and collecting garbage frees what it owns; files that a pin or an earlier record needs stay.'
    )
    .addHelpText('after', '\nExamples:\n  compose du\n  compose du app/gromacs-2025.1')
    .action(async (words: string[], _options: object, command: Command) => {
      const context = contextOf(command)
      const store = await context.openStore()
      store.assertMade()
      const wanted = new Set<string>()
      for (const word of words)
        wanted.add(formatModuleName((await store.findModule(await store.parseTypedName(word))).name))
      const { modules, unread, total, sharersOf } = await store.measureSpace()
      const isWanted = ({ module }: ModuleSpace) => wanted.size === 0 || wanted.has(formatModuleName(module))
      const space = {
        root: store.root,
        rows: modules
          .filter(isWanted)
          .map(module => ({ ...module, sharedWith: wanted.size > 0 ? sharersOf(module) : undefined })),
        total: wanted.size > 0 ? undefined : total
      }
      for (const { module, error } of unread)
        context.io.note(`${formatModuleName(module)} is not counted: ${error.message}`)
      context.result(spaceJson(space), () => renderSpace(space))
    })
}
