import type { Command } from 'commander'
import { pinFile } from '../../compose/stack/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { count, StrataError } from '../../store/values/index.ts'
import { type Context, contextOf } from '../context/index.ts'
import { dataOutput } from '../process/index.ts'
import { contentJson } from '../render/index.ts'

interface Options {
  name?: string
  list?: boolean
  remove?: string
  print?: string
}

const EXAMPLE = `
Example:
  compose pin stack.lock --name chemistry-2026
  compose pin --print chemistry-2026 > stack.lock
  compose pin --remove chemistry-2026`

export default (program: Command): void => {
  program
    .command('pin [LOCK]')
    .summary('protect the layers of a lock from compose gc')
    .description(
      'Copy LOCK (a lock or a layer list) into the store. While this pin exists, compose gc keeps everything that LOCK needs, even if its modules are unpublished.'
    )
    .option('--name <NAME>', 'name of the pin (default: the SHA-256 of the file)')
    .option('--list', 'list the pins of the store')
    .option('--print <NAME>', 'print the pinned file')
    .option('--remove <NAME>', 'remove a pin')
    .addHelpText('after', EXAMPLE)
    .action(async (lock: string | undefined, options: Options, command: Command) => {
      const context = contextOf(command)
      const asked = [lock, options.list, options.print, options.remove].filter(value => value !== undefined)
      if (asked.length !== 1 || (options.name !== undefined && lock === undefined))
        throw new StrataError('USAGE', {
          message: 'compose pin takes exactly one of LOCK, --list, --print NAME and --remove NAME',
          hint: 'compose pin stack.lock'
        })
      const store = await context.openStore()
      store.assertMade()
      await run(store, context, lock, options)
    })
}

async function run(
  store: Repository,
  context: Context,
  lock: string | undefined,
  { name, print, remove }: Options
): Promise<void> {
  if (lock !== undefined) {
    const { pin, isNew } = await pinFile(store, lock, name)
    context.result(
      { name: pin.name, isNew, records: pin.records.length, layers: pin.layers.length },
      () => `${pin.name} ${isNew ? 'keeps' : 'keeps, as before,'} ${count(pin.layers.length, 'layer')}`
    )
  } else if (remove !== undefined) {
    await store.removePin(remove)
    context.result({ name: remove, removed: true }, () => `${remove} is removed`)
  } else if (print !== undefined) {
    const bytes = Buffer.from((await store.readPin(print)).text, 'latin1')
    if (context.json) context.result({ name: print, ...contentJson(bytes) }, () => '')
    else dataOutput().write(bytes)
  } else {
    const names = await store.listPins()
    context.result({ pins: names }, () => names.join('\n') || 'nothing is pinned')
  }
}
