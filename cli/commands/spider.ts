import type { Command } from 'commander'
import { moduleDetails, type OfferedName, offeredNames, spiderSearch } from '../../compose/find/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { type Context, contextOf } from '../context/index.ts'
import { detailsJson, nameJson, renderDetails, renderNames, renderVersions } from '../render/index.ts'
import { faultsJson, findModules, tellFaults } from './finding.ts'

interface Options {
  terse?: boolean
  regexp?: boolean
  hidden?: boolean
}

const EXAMPLE = `
Example:
  compose spider                  every name, with its versions
  compose spider mpi/openmpi      one name
  compose spider mpi/openmpi-4.1.6
                                  how to load it, and what comes with it`

export default (program: Command): void => {
  program
    .command('spider [MODULE]')
    .summary('list all modules, or how to load one')
    .description(
      'Without MODULE, list all names with their versions. With a name or a part of one, list its versions. With a full name, print its description, the modules that it requires, and how to load it.'
    )
    .option('-t, --terse', 'print one name per line')
    .option('-r, --regexp', 'MODULE is a regular expression')
    .option('--hidden', 'list hidden modules, too')
    .addHelpText('after', EXAMPLE)
    .action(async (word: string | undefined, options: Options, command: Command) => {
      const context = contextOf(command)
      const { store, modules, faults } = await findModules(context, options)
      const names = offeredNames(modules)
      if (word !== undefined) await tellMatches(context, store, names, word, options)
      else
        context.result(
          () => ({ names: names.map(nameJson), faults: faultsJson(faults) }),
          () => (options.terse ? terse(names) : renderNames(names, context.io.outColumns))
        )
      tellFaults(context, faults)
    })
}

const terse = (names: OfferedName[]): string =>
  names.flatMap(({ versions }) => versions.map(({ text }) => text)).join('\n')

async function tellMatches(
  context: Context,
  store: Repository,
  names: OfferedName[],
  word: string,
  options: Options
): Promise<void> {
  const matches = await spiderSearch(store, names, word, options)
  if (options.terse) {
    const shown = matches.map(match => ({
      ...match,
      versions: match.module ? [match.module] : match.versions
    }))
    context.result({ matches: shown.map(nameJson) }, () => terse(shown))
    return
  }
  const told: { json: object; text: string }[] = []
  for (const match of matches) {
    const details = match.module && (await moduleDetails(store, match.module))
    told.push({
      json: { ...nameJson(match), others: match.others, ...(details && { details: detailsJson(details) }) },
      text: details
        ? renderDetails(match, details, context.io.outColumns)
        : renderVersions(match, context.io.outColumns)
    })
  }
  context.result({ matches: told.map(({ json }) => json) }, () => told.map(({ text }) => text).join('\n'))
}
