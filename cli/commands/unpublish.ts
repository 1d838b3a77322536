import type { Command } from 'commander'
import { leftWithout } from '../../compose/resolve/index.ts'
import { formatModuleName, parseModuleName } from '../../store/module/index.ts'
import { formatCid } from '../../store/values/index.ts'
import { contextOf } from '../context/index.ts'

export default (program: Command): void => {
  program
    .command('unpublish MODULE')
    .summary('remove a module from the store')
    .description(
      'Remove MODULE from the lists of the store, so that it cannot be loaded any more. MODULE is category/name-version with the whole version. Locks that name it can still be built until compose gc removes its record.'
    )
    .option('--reason <TEXT>', 'the reason, which compose history prints')
    .addHelpText('after', '\nExample:\n  compose unpublish app/vasp-6.4 --reason "license ended"')
    .action(async (word: string, { reason }: { reason?: string }, command: Command) => {
      const context = contextOf(command)
      const store = await context.openStore()
      const taken = await store.unpublish(parseModuleName(word), reason)
      const module = formatModuleName(taken.name)
      const requiredBy = (await leftWithout(store, taken.name)).map(formatModuleName)
      const { category, name } = taken.name
      if (taken.wasDefault)
        context.io.note(
          `${module} was the default of ${category}/${name}; to remove the default: compose default ${category}/${name} --unset`
        )
      for (const alias of taken.aliases)
        context.io.note(
          `alias ${alias} now stands for a module that does not exist; to remove it: compose alias ${alias} --unset`
        )
      if (requiredBy.length > 0)
        context.io.note(
          `${requiredBy.join(', ')} ${requiredBy.length === 1 ? 'requires' : 'require'} it and cannot be loaded without it; to have it back: compose history ${module} --restore ${formatCid(taken.record)}`
        )
      context.result(
        {
          module,
          record: formatCid(taken.record),
          wasDefault: taken.wasDefault,
          aliases: taken.aliases,
          requiredBy,
          ...(reason !== undefined && { reason })
        },
        () => `${module} is not published any more (it was ${formatCid(taken.record)})`
      )
    })
}
