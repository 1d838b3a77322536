import type { Command } from 'commander'
import { extractImage } from '../../compose/outputs/index.ts'
import { contextOf, ProgressBar } from '../context/index.ts'
import { renderSandbox, sandboxJson } from '../render/index.ts'

export default (program: Command): void => {
  program
    .command('extract IMAGE DIR')
    .summary('unpack an image into a sandbox')
    .description(
      'Unpack IMAGE into the directory DIR and restore its ACLs. DIR is a sandbox that compose build accepts.'
    )
    .option(
      '--record-only',
      'record owners, ACLs and attributes in .compose, and do not set them (file systems without them)'
    )
    .addHelpText('after', '\nExample:\n  compose extract vasp.sqfs ./vasp')
    .action(async (file: string, directory: string, options: { recordOnly?: boolean }, command: Command) => {
      const context = contextOf(command)
      const bar = new ProgressBar(context.io)
      const report = await extractImage(file, directory, {
        recordOnly: options.recordOnly === true,
        store: await context.openStoreIfMade(),
        onProgress: bytes => bar.update(directory, bytes)
      }).finally(() => bar.clear())
      context.result(sandboxJson(report), () => renderSandbox(report))
    })
}
