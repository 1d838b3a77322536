import type { Command } from 'commander'
import { EXIT_STATUS } from '../../store/values/index.ts'
import { contextOf, ExitStatus, ProgressBar } from '../context/index.ts'
import { renderFsck } from '../render/index.ts'

export default (program: Command): void => {
  program
    .command('fsck')
    .summary('check every hash in the store')
    .description(
      `Read everything in the store and check it; say which modules a damaged file hurts.\nExit status ${EXIT_STATUS.BLOB_CORRUPT} when something is wrong.`
    )
    .option(
      '--repair',
      'compile damaged objects again, copy damaged blobs from stores on $COMPOSE_PATH, set who may read what'
    )
    .addHelpText('after', '\nExample:\n  compose --store /srv/strata fsck --repair')
    .action(async (options: { repair?: boolean }, command: Command) => {
      const context = contextOf(command)
      const bar = new ProgressBar(context.io)
      const store = await context.openStore()
      store.assertMade()
      const report = await store
        .fsck({
          repair: options.repair,
          onBytes: bytes => bar.update('checked', bytes)
        })
        .finally(() => bar.clear())
      context.result(report, () => renderFsck(report))
      if (report.findings.some(({ repaired }) => !repaired)) throw new ExitStatus(EXIT_STATUS.BLOB_CORRUPT)
    })
}
