import type { Command } from 'commander'
import { EXIT_STATUS } from '../../store/values/index.ts'
import { contextOf, ProgressBar } from '../context/index.ts'
import { ExitStatus } from '../process/index.ts'
import { renderFsck } from '../render/index.ts'

export default (program: Command): void => {
  program
    .command('fsck')
    .summary('check every hash in the store')
    .description(
      `Read every file of the store, check its hash, and name the modules that a damaged file affects.\nExit status ${EXIT_STATUS.BLOB_CORRUPT} if something is wrong.`
    )
    .option(
      '--repair',
      'make damaged objects again, copy damaged blobs from stores on $COMPOSE_PATH, correct file permissions'
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
