import type { Command } from 'commander'
import { byName, matcherOf } from '../../compose/find/index.ts'
import { contextOf } from '../context/index.ts'
import { renderOverview } from '../render/index.ts'
import { faultsJson, findModules, tellFaults } from './finding.ts'

interface Options {
  regexp?: boolean
  hidden?: boolean
}

export default (program: Command): void => {
  program
    .command('overview [PATTERN...]')
    .alias('ov')
    .summary('count the versions of each module')
    .description(
      'List the names of modules with their numbers of versions; with PATTERN, only names that contain one of the patterns.'
    )
    .option('-r, --regexp', 'patterns are regular expressions')
    .option('--hidden', 'list hidden modules, too')
    .addHelpText('after', '\nExample:\n  compose overview mpi')
    .action(async (patterns: string[], { regexp, hidden }: Options, command: Command) => {
      const context = contextOf(command)
      const { modules, faults } = await findModules(context, { hidden })
      const among = patterns.length === 0 ? [] : modules.map(({ name }) => `${name.category}/${name.name}`)
      const matches = await matcherOf(patterns, { regexp, among })
      const wanted = modules.filter(({ name }) => matches(`${name.category}/${name.name}`))
      const names = [...byName(wanted)].map(([name, versions]) => ({
        name,
        versions: new Set(versions.map(({ text }) => text)).size
      }))
      context.result(
        () => ({ names, faults: faultsJson(faults) }),
        () => renderOverview(wanted, context.io.outColumns)
      )
      tellFaults(context, faults)
    })
}
