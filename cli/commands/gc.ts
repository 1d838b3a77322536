import type { Command } from 'commander'
import { collectGarbage, DEFAULT_GRACE_SECONDS } from '../../store/gc/gc.ts'
import { contextOf } from '../command.ts'
import { parseDuration } from '../durations.ts'
import { renderGc } from '../render/gc-report.ts'

interface Options {
  dryRun?: boolean
  olderThan?: string
  grace?: string
  objects?: boolean
}

export default (program: Command): void => {
  program
    .command('gc')
    .summary('remove what nothing needs')
    .description(
      'Remove from the store what no module, no module that was replaced or unpublished, and no pin needs. Others may\nimport and build meanwhile. Stores on $COMPOSE_PATH stay as they are.'
    )
    .option('-n, --dry-run', 'only tell what would be removed')
    .option('--older-than <TIME>', 'also what was replaced or unpublished longer ago than this: 90d, 2w')
    .option(
      '--grace <TIME>',
      'keep what was written or reused since (default: 24h); an import or a build that takes longer may fail'
    )
    .option(
      '--objects',
      'also compiled layers and those packed for OCI layouts, which are made again when they are needed'
    )
    .addHelpText(
      'after',
      '\nExample:\n  compose gc --dry-run --older-than 90d\n  compose gc --older-than 90d'
    )
    .action(async (options: Options, command: Command) => {
      const context = contextOf(command)
      const { dryRun = false, objects = false, olderThan, grace } = options
      const report = await collectGarbage(await context.openStore(), {
        dryRun,
        objects,
        graceSeconds: grace === undefined ? DEFAULT_GRACE_SECONDS : parseDuration(grace, '--grace'),
        ...(olderThan !== undefined && { olderThanSeconds: parseDuration(olderThan, '--older-than') })
      })
      context.result(report, () => renderGc(report))
    })
}
