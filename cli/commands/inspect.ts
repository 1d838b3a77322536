import type { Command } from 'commander'
import { describeImage, openImage } from '../../compose/inspect/open-image.ts'
import { contextOf } from '../command.ts'
import { inspectedJson, renderInspected } from '../render/inspected-image.ts'

export default (program: Command): void => {
  program
    .command('inspect IMAGE')
    .summary('what an image was made from')
    .description('Modules, layers, environment, labels and digests, from the image file alone.')
    .addHelpText('after', '\nExample:\n  compose inspect vasp.sqfs')
    .action(async (file: string, _options: object, command: Command) => {
      const context = contextOf(command)
      const image = await openImage(file)
      try {
        const description = describeImage(image)
        context.result(inspectedJson(image, description), () => renderInspected(image, description))
      } finally {
        await image.close()
      }
    })
}
