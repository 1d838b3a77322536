import type { Command } from 'commander'
import { resolveTarget } from '../../compose/build/target.ts'
import { openSandboxTarget } from '../../compose/build/sandbox-target.ts'
import type { ChosenModule } from '../../compose/stack/chosen-module.ts'
import { formatLayerList } from '../../compose/stack/layer-list.ts'
import { formatCid } from '../../store/digest.ts'
import { contextOf } from '../command.ts'

export default (program: Command): void => {
  program
    .command('list [TARGET...]')
    .summary('the modules of the stack')
    .description('List the modules of TARGET (default: the stack), bottom to top.')
    .option('--layers', 'the layer hash list, from which compose build makes the same image again')
    .option('-t, --terse', 'one name a line')
    .addHelpText('after', '\nExample:\n  compose list --layers base/debian app/vasp > vasp.list\n  compose build vasp.sqfs vasp.list')
    .action(async (words: string[], options: { layers?: boolean; terse?: boolean }, command: Command) => {
      const context = contextOf(command)
      const store = await context.openStore()
      const { modules } = await resolveTarget(store, words, context.stackFile, directory =>
        openSandboxTarget(store, directory, { checkContents: false })
      )
      context.result(modules.map(moduleJson), () => {
        if (options.layers) return formatLayerList(modules).trimEnd()
        const names = modules.map(nameOf)
        return options.terse ? names.join('\n') : renderLoaded(names)
      })
    })
}

const nameOf = ({ name, layers }: ChosenModule): string => name ?? layers.map(formatCid).join(' ')

const moduleJson = ({ name, record, layers, captured }: ChosenModule): object => ({
  ...(name !== undefined && { name }),
  ...(record !== undefined && { record: formatCid(record) }),
  ...(captured && { captured }),
  layers: layers.map(formatCid)
})

/** As Lmod prints it. */
function renderLoaded(names: string[]): string {
  const width = String(names.length).length + 2
  return ['', 'Currently Loaded Modules:', ...names.map((name, i) => `${String(i + 1).padStart(width)}) ${name}`), ''].join('\n')
}
