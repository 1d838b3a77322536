import type { Command } from 'commander'
import { readDefault, removeDefault, writeDefault } from '../../store/module/defaults.ts'
import { publishedVersions, rankVersions, unknownModule } from '../../store/module/find-module.ts'
import { formatModuleName, parseModuleRequest } from '../../store/module/name.ts'
import { assertWritable } from '../../store/store.ts'
import { contextOf } from '../command.ts'

export default (program: Command): void => {
  program
    .command('default MODULE')
    .summary('say which version a name stands for')
    .description(
      'Make a version the default of its name in this store: compose add mpi/openmpi takes it, not the highest. Without\na version, tell which one is the default.'
    )
    .option('--unset', 'no default any more: the highest again')
    .addHelpText(
      'after',
      '\nExample:\n  compose default mpi/openmpi-4.1.6\n  compose default mpi/openmpi --unset'
    )
    .action(async (word: string, { unset }: { unset?: boolean }, command: Command) => {
      const context = contextOf(command)
      const request = parseModuleRequest(word)
      const { category, name, version: asked } = request
      const opened = await context.openStore()
      // A default lies beside the versions it chooses from: those of the stores on COMPOSE_PATH have their own.
      const store = { ...opened, searched: [opened] }
      if (asked === undefined && !unset) {
        const version = readDefault(store.root, request)
        const text = version && formatModuleName({ category, name, version })
        context.result(
          { default: text ?? null },
          () => text ?? `${category}/${name} has no default: it is the highest`
        )
        return
      }
      await assertWritable(store)
      if (unset) {
        const removed = await removeDefault(store.root, request)
        context.result({ module: `${category}/${name}`, removed }, () =>
          removed ? `${category}/${name} is the highest version again` : `${category}/${name} had no default`
        )
        return
      }
      const [best] = rankVersions(publishedVersions(store, request), asked)
      if (best === undefined) throw unknownModule(store, request)
      const module = { category, name, version: best.version }
      await writeDefault(store.root, module)
      context.result(
        { default: formatModuleName(module) },
        () => `${category}/${name} is ${formatModuleName(module)}`
      )
    })
}
