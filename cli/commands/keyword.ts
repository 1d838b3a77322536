import type { Command } from 'commander'
import { keywordSearch } from '../../compose/find/index.ts'
import { contextOf } from '../context/index.ts'
import { nameJson, renderKeyword } from '../render/index.ts'
import { faultsJson, findModules, tellFaults } from './finding.ts'

interface Options {
  regexp?: boolean
  hidden?: boolean
}

export default (program: Command): void => {
  program
    .command('keyword WORD...')
    .alias('key')
    .summary('find modules by words in their descriptions')
    .description(
      'List the modules whose name, summary or labels contain one of the words. Upper and lower case are the same.'
    )
    .option('-r, --regexp', 'the words are regular expressions')
    .option('--hidden', 'list hidden modules, too')
    .addHelpText('after', '\nExample:\n  compose keyword molecular dynamics')
    .action(async (words: string[], { regexp, hidden }: Options, command: Command) => {
      const context = contextOf(command)
      const { modules, faults } = await findModules(context, { hidden })
      const names = await keywordSearch(modules, words, { regexp })
      context.result(
        () => ({ names: names.map(nameJson), faults: faultsJson(faults) }),
        () => renderKeyword(names, words, context.io.outColumns)
      )
      tellFaults(context, faults)
    })
}
