import type { Command } from 'commander'
import { whoProvides } from '../../compose/find/index.ts'
import { pathFromText } from '../../store/values/index.ts'
import { contextOf } from '../context/index.ts'
import { providedJson, renderProvided } from '../render/index.ts'
import { faultsJson, loadedIn, tellFaults } from './finding.ts'

export default (program: Command): void => {
  program
    .command('provides PATH')
    .summary('find the modules that contain a path')
    .description(
      'List the modules that contain PATH. Without a leading "/", PATH may be the end of a path. (L) marks modules in your stack. compose which prints the module that a path of the stack comes from.'
    )
    .option('--hidden', 'search hidden modules, too')
    .addHelpText('after', '\nExample:\n  compose provides bin/mpirun\n  compose provides /etc/os-release')
    .action(async (path: string, { hidden }: { hidden?: boolean }, command: Command) => {
      const context = contextOf(command)
      const store = await context.openStore()
      const { faults, ...found } = await whoProvides(store, pathFromText(path), {
        hidden,
        loaded: await loadedIn(context, store)
      })
      context.result({ ...providedJson(found), faults: faultsJson(faults) }, () =>
        renderProvided(found.providers)
      )
      if (found.unsearched.length > 0)
        context.io.note(
          `${found.unsearched.length} of the layers were not searched, because no store has an index of them; compose fsck makes it`
        )
      tellFaults(context, faults)
    })
}
