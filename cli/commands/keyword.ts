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
    .summary('modules whose name, summary or labels hold a word')
    .description(
      'List the modules whose name, summary or labels hold one of the words, in upper or lower case.'
    )
    .option('-r, --regexp', 'words are regular expressions')
    .option('--hidden', 'hidden modules as well')
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
