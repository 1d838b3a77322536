import type { Command } from 'commander'
import { isImage } from '../../compose/inspect/index.ts'
import { verifyImage, verifyLock } from '../../compose/outputs/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { contextOf } from '../context/index.ts'

export default (program: Command): void => {
  program
    .command('verify <IMAGE|LOCK>')
    .summary('check an image or a lock')
    .description(
      'IMAGE: check that all of it can be read, and that it is byte for byte the image of its lock (if the store has the layers).\nLOCK: check the hash of every blob, and that an image built from the lock has the digests that the lock names.'
    )
    .addHelpText('after', '\nExample:\n  compose verify vasp.sqfs')
    .action(async (file: string, _options: object, command: Command) => {
      const context = contextOf(command)
      const report = (await isImage(file))
        ? await verifyImage(await context.openStore().catch(withoutStore), file)
        : await verifyLock(await context.openStore(), file)
      context.result(report, () =>
        [
          `${report.name}: no faults`,
          ...report.checked.map(line => `  ${line}`),
          ...report.unchecked.map(line => `  not checked: ${line}`)
        ].join('\n')
      )
    })
}

/** An image can be checked without a store, too. */
function withoutStore(error: unknown): undefined {
  if (error instanceof StrataError && error.code === 'STORE_MISSING') return undefined
  throw error
}
