import type { Command } from 'commander'
import { describeImage, openImage } from '../../compose/inspect/index.ts'
import { signersIn } from '../../compose/outputs/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { contextOf } from '../context/index.ts'
import { inspectedJson, recipeJson, renderInspected, renderRecipe } from '../render/index.ts'

export default (program: Command): void => {
  program
    .command('inspect IMAGE')
    .summary('show what an image was made from')
    .description(
      'Print the modules, layers, environment, labels and digests of an image, and who signed its modules. All but the signatures is read from the image file.'
    )
    .option('--recipe', 'print the sources of each module: files and their digests, packages and versions')
    .addHelpText('after', '\nExamples:\n  compose inspect vasp.sqfs\n  compose inspect --recipe vasp.sqfs')
    .action(async (file: string, { recipe }: { recipe?: boolean }, command: Command) => {
      const context = contextOf(command)
      const image = await openImage(file)
      try {
        const description = describeImage(image)
        if (recipe) {
          if (description === undefined) throw withoutRecipe(file)
          context.result(recipeJson(description), () => renderRecipe(description))
          return
        }
        const signers = await signersIn(await context.openStoreIfMade(), description)
        context.result(inspectedJson(image, description, signers), () =>
          renderInspected(image, description, signers)
        )
      } finally {
        await image.close()
      }
    })
}

const withoutRecipe = (file: string): StrataError =>
  new StrataError('IMAGE_INVALID', {
    message: `${file} has no /.compose folder, so it does not say what it was made from`,
    hint: `compose cat ${file} .singularity.d/Singularity prints the recipe of an Apptainer image`
  })
