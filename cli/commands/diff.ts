import type { Command } from 'commander'
import { diffTargets, openSandboxTarget } from '../../compose/outputs/index.ts'
import { contextOf } from '../context/index.ts'
import { diffJson, renderDiff } from '../render/index.ts'

interface Options {
  times?: boolean
  modules?: boolean
  verbose?: boolean
}

export default (program: Command): void => {
  program
    .command('diff A B')
    .summary('compare images, locks, stacks, modules')
    .description(
      'Compare A with B. Each is an image, lock, layer list, stack file, sandbox or module. The report lists packages that differ by the databases of dpkg, apk and rpm, then modules, then paths: - only in A, + only in B, ! in both, with the differences (also of ACLs). A folder that only one has stands for all that is in it.'
    )
    .option('--times', 'compare modification times, too')
    .option('--verbose', 'name all paths, also those below folders that only one of the two has')
    .option('--modules', 'compare only the modules, not the packages and paths')
    .addHelpText('after', '\nExample:\n  compose diff old.sqfs new.sqfs\n  compose diff vasp.sqfs stack.lock')
    .action(async (a: string, b: string, options: Options, command: Command) => {
      const context = contextOf(command)
      const report = await diffTargets(a, b, {
        openStore: context.openStore,
        openSandbox: store => directory => openSandboxTarget(store, directory, { checkContents: false }),
        times: options.times === true,
        modulesOnly: options.modules === true
      })
      context.result(diffJson(report), () => renderDiff(report, options.verbose === true))
    })
}
