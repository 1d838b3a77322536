import type { Command } from 'commander'
import { listCollections } from '../../compose/stack/index.ts'
import { contextOf } from '../context/index.ts'
import { columns } from '../render/index.ts'

export default (program: Command): void => {
  program
    .command('savelist')
    .summary('list the saved stacks')
    .description('List the names under which stacks were saved.')
    .option('-t, --terse', 'print one name per line')
    .addHelpText('after', '\nExample:\n  compose savelist')
    .action(async ({ terse }: { terse?: boolean }, command: Command) => {
      const context = contextOf(command)
      const names = await listCollections()
      if (names.length === 0 && !context.json) context.io.note('No named collections.')
      context.result({ collections: names }, () => {
        if (terse || names.length === 0) return names.join('\n')
        const cells = names.map((name, i) => `${String(i + 1).padStart(3)}) ${name}`)
        return ['Named collection list :', ...columns(cells, context.io.outColumns, 1)].join('\n')
      })
    })
}
