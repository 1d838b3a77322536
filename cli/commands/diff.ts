import type { Command } from 'commander'
import { diffTargets, openSandboxTarget } from '../../compose/outputs/index.ts'
import { contextOf } from '../context/index.ts'
import { diffJson, renderDiff } from '../render/index.ts'

export default (program: Command): void => {
  program
    .command('diff A B')
    .summary('compare images, locks, stacks, modules')
    .description(
      'Compare two of: image, lock, layer list, stack file, sandbox, module. Modules that differ, then paths:\n- only in A, + only in B, ! in both, with what differs (ACLs among it).'
    )
    .option('--times', 'count modification times as well')
    .option('--modules', 'compare modules alone')
    .addHelpText('after', '\nExample:\n  compose diff old.sqfs new.sqfs\n  compose diff vasp.sqfs stack.lock')
    .action(
      async (a: string, b: string, options: { times?: boolean; modules?: boolean }, command: Command) => {
        const context = contextOf(command)
        const report = await diffTargets(a, b, {
          openStore: context.openStore,
          openSandbox: store => directory => openSandboxTarget(store, directory, { checkContents: false }),
          times: options.times === true,
          modulesOnly: options.modules === true
        })
        context.result(diffJson(report), () => renderDiff(report))
      }
    )
}
