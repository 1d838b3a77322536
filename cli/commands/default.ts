import type { Command } from 'commander'
import { formatModuleName, rankVersions } from '../../store/module/index.ts'
import { contextOf } from '../context/index.ts'

export default (program: Command): void => {
  program
    .command('default MODULE')
    .summary('choose the version that a name stands for')
    .description(
      'Make a version the default of its name in this store: compose add mpi/openmpi then takes this version and not the highest one. Without a version, print the present default.'
    )
    .option('--unset', 'remove the default: the name stands for its highest version again')
    .addHelpText(
      'after',
      '\nExample:\n  compose default mpi/openmpi-4.1.6\n  compose default mpi/openmpi --unset'
    )
    .action(async (word: string, { unset }: { unset?: boolean }, command: Command) => {
      const context = contextOf(command)
      const opened = await context.openStore()
      const request = await opened.parseTypedName(word)
      const { category, name, version: asked } = request
      // A default is kept in the store of its versions: stores on COMPOSE_PATH have their own.
      const store = opened.alone()
      if (asked === undefined && !unset) {
        const [best] = rankVersions(opened.publishedVersions(request), asked)
        if (best === undefined) throw opened.unknownModule(request)
        const text = best.isDefault ? formatModuleName({ category, name, version: best.version }) : undefined
        context.result(
          { name: `${category}/${name}`, default: text ?? null },
          () => text ?? `${category}/${name} has no default: its highest version is taken`
        )
        return
      }
      await opened.assertWritable()
      if (unset) {
        const removed = await store.removeDefault(request)
        context.result({ name: `${category}/${name}`, default: null, removed }, () =>
          removed
            ? `${category}/${name} stands for its highest version again`
            : `${category}/${name} had no default`
        )
        return
      }
      const [best] = rankVersions(store.publishedVersions(request), asked)
      if (best === undefined) throw store.unknownModule(request)
      const module = { category, name, version: best.version }
      await store.writeDefault(module)
      context.result(
        { name: `${category}/${name}`, default: formatModuleName(module) },
        () => `${category}/${name} is ${formatModuleName(module)}`
      )
    })
}
