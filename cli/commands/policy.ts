import type { Command } from 'commander'
import { explainPolicies, type PolicyReport } from '../../compose/outputs/index.ts'
import { type ErrorCode, EXIT_STATUS, StrataError } from '../../store/values/index.ts'
import { contextOf } from '../context/index.ts'
import { ExitStatus } from '../process/index.ts'
import { renderPolicies } from '../render/index.ts'

const DESCRIPTION = `Check the policies that hold here: of the host (/etc/strata/policy.yaml), of each store (trust/policy.yaml in it), and
yours (~/.config/strata/policy.yaml). With MODULE, print which rule decides about it, and why.`

export default (program: Command): void => {
  program
    .command('policy <check> [MODULE...]')
    .summary('check the policies, and whether they accept modules')
    .description(DESCRIPTION)
    .addHelpText('after', '\nExamples:\n  compose policy check\n  compose policy check app/vasp base/debian')
    .action(async (word: string, modules: string[], _options: object, command: Command) => {
      if (word !== 'check')
        throw new StrataError('USAGE', {
          message: `compose policy ${word} is unknown, wanted check`,
          hint: 'compose policy check [MODULE...]'
        })
      const context = contextOf(command)
      const store = modules.length > 0 ? await context.openStore() : await context.openStoreIfMade()
      const report = await explainPolicies(store, modules)
      context.result({ ...report }, () => renderPolicies(report))
      const refused = firstRefusal(report)
      if (refused !== undefined) throw new ExitStatus(EXIT_STATUS[refused])
    })
}

const firstRefusal = ({ modules }: PolicyReport): ErrorCode | undefined =>
  modules.flatMap(({ decisions }) => decisions.flatMap(({ refused }) => refused?.code ?? []))[0]
