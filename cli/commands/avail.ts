import type { Command } from 'commander'
import { matcherOf } from '../../compose/find/index.ts'
import { contextOf } from '../context/index.ts'
import { offeredJson, renderAvailable, renderTerse } from '../render/index.ts'
import { faultsJson, findModules, tellFaults } from './finding.ts'

interface Options {
  default?: boolean
  terse?: boolean
  regexp?: boolean
  hidden?: boolean
}

const EXAMPLE = `
Example:
  compose avail
  compose avail mpi               names of which a part begins or ends with mpi, else all that hold it
  compose avail -r '^mpi/.*-4'    names that match a regular expression
  compose -q avail                without the words at the end`

export default (program: Command): void => {
  program
    .command('avail [PATTERN...]')
    .alias('av')
    .summary('list the modules that can be loaded')
    .description(
      'List the modules of all stores, or those whose names contain one of the patterns, by store and category.\n(D) marks the version that a name without a version stands for, (L) marks modules in your stack.'
    )
    .option('-d, --default', 'list only the default version of each name')
    .option('-t, --terse', 'print one name per line')
    .option('-r, --regexp', 'patterns are regular expressions')
    .option('--hidden', 'list hidden modules, too')
    .addHelpText('after', EXAMPLE)
    .action(async (patterns: string[], options: Options, command: Command) => {
      const { default: defaultsOnly = false, terse = false, regexp, hidden } = options
      const context = contextOf(command)
      const { modules, faults } = await findModules(context, { hidden })
      const among = patterns.length === 0 ? [] : modules.map(({ text }) => text)
      const matches = await matcherOf(patterns, { regexp, among })
      const wanted = modules.filter(
        ({ text, name, isDefault }) =>
          (!defaultsOnly || isDefault) && (matches(text) || matches(`${name.category}/${name.name}`))
      )
      context.result(
        () => ({ modules: wanted.map(offeredJson), faults: faultsJson(faults) }),
        () =>
          terse
            ? renderTerse(wanted)
            : renderAvailable(wanted, {
                width: context.io.outColumns,
                defaultsOnly,
                withHints: command.optsWithGlobals().quiet !== true
              })
      )
      tellFaults(context, faults)
    })
}
