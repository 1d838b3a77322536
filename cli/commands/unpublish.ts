import type { Command } from 'commander'
import { formatModuleName, parseModuleName } from '../../store/module/index.ts'
import { formatCid } from '../../store/values/index.ts'
import { contextOf } from '../context/index.ts'

export default (program: Command): void => {
  program
    .command('unpublish MODULE')
    .summary('take a module out of the store')
    .description(
      'Take MODULE (category/name-version, the whole version) out of the store. Locks that name it can be built until\ncompose gc drops its record.'
    )
    .option('--reason <TEXT>', 'why, for the history')
    .addHelpText('after', '\nExample:\n  compose unpublish app/vasp-6.4 --reason "license ended"')
    .action(async (word: string, { reason }: { reason?: string }, command: Command) => {
      const context = contextOf(command)
      const taken = await (await context.openStore()).unpublish(parseModuleName(word), reason)
      const module = formatModuleName(taken.name)
      const { category, name } = taken.name
      if (taken.wasDefault)
        context.io.note(
          `${module} was the default of ${category}/${name}: compose default ${category}/${name} --unset`
        )
      for (const alias of taken.aliases)
        context.io.note(`alias ${alias} stands for nothing now: compose alias ${alias} --unset`)
      context.result(
        {
          module,
          record: formatCid(taken.record),
          wasDefault: taken.wasDefault,
          aliases: taken.aliases,
          ...(reason !== undefined && { reason })
        },
        () => `${module} is not published any more (it was ${formatCid(taken.record)})`
      )
    })
}
