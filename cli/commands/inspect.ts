import type { Command } from 'commander'
import { describeImage, openImage, undescribed } from '../../compose/inspect/index.ts'
import { signersIn } from '../../compose/outputs/index.ts'
import {
  type DescribedTarget,
  describeTarget,
  packagesOf,
  parametersOf,
  provenanceOf
} from '../../compose/sources/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { type Context, contextOf } from '../context/index.ts'
import { formatJson } from '../process/index.ts'
import {
  inspectedJson,
  recipeJson,
  renderDefinitions,
  renderInspected,
  renderPackages,
  renderRecipe
} from '../render/index.ts'

interface Options {
  recipe?: boolean
  definition?: boolean
  packages?: boolean
  provenance?: boolean
}

export default (program: Command): void => {
  program
    .command('inspect TARGET')
    .summary('show what an image, a module or a sandbox was made from')
    .description(
      'Print the modules, layers, environment, labels and digests of an image, and who signed its modules. All but the signatures is read from the image file. With --definition, --packages or --provenance, TARGET may also be a module or a sandbox.'
    )
    .option('--definition', 'print the definition files and commands by which it was made, in full')
    .option('--packages', 'print the packages that were installed, with their versions')
    .option('--provenance', 'print an in-toto statement with SLSA provenance, as JSON')
    .option('--recipe', 'print the sources of each module: files and their digests, packages and versions')
    .addHelpText(
      'after',
      '\nExamples:\n  compose inspect vasp.sqfs\n  compose inspect --recipe vasp.sqfs\n  compose inspect --definition app/tool\n  compose inspect --provenance vasp.sqfs'
    )
    .action(async (file: string, options: Options, command: Command) => {
      const context = contextOf(command)
      if (options.definition || options.packages || options.provenance)
        return tellMaking(context, await describeTarget(file, () => context.openStore()), options)
      const { recipe } = options
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

function tellMaking(context: Context, target: DescribedTarget, options: Options): void {
  const given = [options.definition, options.packages, options.provenance, options.recipe]
  if (given.filter(flag => flag).length > 1)
    throw new StrataError('USAGE', {
      message:
        '--definition, --packages, --provenance and --recipe each print something of their own: give one of them'
    })
  if (options.provenance) {
    const statement = provenanceOf(target)
    context.io.out(formatJson(statement, context.json ? 0 : 2))
  } else if (options.packages) {
    const packages = packagesOf(target)
    context.result({ packages }, () => renderPackages(packages))
  } else {
    const definitions = target.modules.flatMap(parametersOf)
    context.result({ definitions }, () => renderDefinitions(definitions))
  }
}

const withoutRecipe = (file: string): StrataError =>
  undescribed(file, `compose cat ${file} .singularity.d/Singularity prints the recipe of an Apptainer image`)
