import type { Command } from 'commander'
import { matcherOf, type OfferedModule } from '../../compose/find/index.ts'
import { nearNames } from '../../store/module/index.ts'
import { contextOf } from '../context/index.ts'
import { offeredJson, renderAvailable, renderTerse, showStore } from '../render/index.ts'
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
      const { store, modules, faults } = await findModules(context, { hidden })
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
                withHints: command.optsWithGlobals().quiet !== true,
                emptyHints: usual =>
                  modules.length === 0
                    ? gettingModules(store.searched.map(({ root }) => root))
                    : [...didYouMean(modules, patterns), ...usual]
              })
      )
      tellFaults(context, faults)
    })
}

/** For a new user, or one who looks in the wrong store. */
const gettingModules = (roots: string[]): string[] => [
  `${roots.map(showStore).join(', ')} ${roots.length > 1 ? 'list' : 'lists'} no module, and no remote offers one. Get some:`,
  '',
  '"compose import base/debian-12 docker://debian:12" publishes one; "compose import --help" names other sources.',
  '"compose remote add site HOST/PREFIX" adds those of a registry.',
  '"export COMPOSE_PATH=FOLDER" adds those of the store in FOLDER.'
]

function didYouMean(modules: OfferedModule[], patterns: string[]): string[] {
  const names = [...new Set(modules.map(({ name: { category, name } }) => `${category}/${name}`))].sort()
  const near = [...new Set(patterns.flatMap(pattern => nearNames(names, pattern)))].slice(0, SUGGESTED)
  return near.length === 0 ? [] : [`Did you mean ${near.join(', ')}?`, '']
}

const SUGGESTED = 5
