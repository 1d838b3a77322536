import type { Command } from 'commander'
import { satisfies } from '../../compose/resolve/index.ts'
import { type ChosenModule, chosenOf, openStack, resolveOpenStack } from '../../compose/stack/index.ts'
import { formatCid } from '../../store/values/index.ts'
import { type Context, contextOf } from '../context/index.ts'
import { type ListedModule, renderLoaded } from '../render/index.ts'

interface Options {
  layers?: boolean
  terse?: boolean
}

interface Listed {
  modules: ChosenModule[]
  marks: Omit<ListedModule, 'name'>[]
}

export default (program: Command): void => {
  program
    .command('list [TARGET...]')
    .summary('list the modules of the stack')
    .description('List the modules of TARGET (default: the stack), bottom to top.')
    .option('--layers', 'print the layer hash list, from which compose build makes the same image again')
    .option('-t, --terse', 'print one name per line')
    .addHelpText(
      'after',
      '\nExample:\n  compose list --layers base/debian app/vasp > vasp.list\n  compose build vasp.sqfs vasp.list'
    )
    .action(async (words: string[], { layers, terse }: Options, command: Command) => {
      const context = contextOf(command)
      const { modules, marks } =
        words.length === 0 ? await listStack(context) : await listTarget(context, words)
      const { formatLayerList } = layers ? await import('../../compose/stack/layer-list.ts') : {}
      context.result(
        { modules: modules.map((module, i) => ({ ...moduleJson(module), ...marksJson(marks[i]) })) },
        () => {
          if (formatLayerList) return formatLayerList(modules).trimEnd()
          if (terse) return modules.map(nameOf).join('\n')
          return renderLoaded(
            modules.map((module, i) => ({ name: nameOf(module), ...marks[i] })),
            context.io.outColumns
          )
        }
      )
    })
}

async function listStack({ openStore, stackFile }: Context): Promise<Listed> {
  const stack = await openStack(stackFile)
  if (stack.modules.length === 0) return { modules: [], marks: [] }
  const store = await openStore()
  const modules = await resolveOpenStack(store, stack)
  const requests = stack.modules.map(request => store.resolveAlias(request))
  return {
    modules: modules.map(chosenOf),
    marks: modules.map(({ name, record }) => ({
      ...(!requests.some(request => satisfies(name, request)) && { isAutomatic: true }),
      ...(record.hidden && { isHidden: true }),
      ...(record.deprecated && { isDeprecated: true })
    }))
  }
}

/** Other targets need all the code that `build` needs, which takes long to load. */
async function listTarget({ openStore, stackFile }: Context, words: string[]): Promise<Listed> {
  const { resolveTarget } = await import('../../compose/outputs/resolve-target.ts')
  const { openSandboxTarget } = await import('../../compose/outputs/sandbox-target.ts')
  const store = await openStore()
  const { modules } = await resolveTarget(store, words, stackFile, directory =>
    openSandboxTarget(store, directory, { checkContents: false })
  )
  return { modules, marks: modules.map(() => ({})) }
}

const nameOf = ({ name, layers }: ChosenModule): string => name ?? layers.map(formatCid).join(' ')

const marksJson = ({
  isAutomatic = false,
  isHidden = false,
  isDeprecated = false
}: Listed['marks'][number]) => ({
  automatic: isAutomatic,
  hidden: isHidden,
  deprecated: isDeprecated
})

const moduleJson = ({ name, record, layers, captured }: ChosenModule): object => ({
  ...(name !== undefined && { module: name }),
  ...(record !== undefined && { record: formatCid(record) }),
  ...(captured && { captured }),
  layers: layers.map(formatCid)
})
