import type { Command } from 'commander'
import {
  formatModuleRequest,
  listAliases,
  type ModuleRequest,
  parseModuleRequest
} from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { type Context, contextOf } from '../context/index.ts'
import { faultsJson, tellFaults } from './finding.ts'

export default (program: Command): void => {
  program
    .command('alias [NAME] [MODULE]')
    .summary('give a module another name')
    .description(
      'Make NAME another name of MODULE in this store. MODULE may have a version or not. Without MODULE, print which module NAME stands for; without NAME, list the aliases of all stores. The name of a published module cannot be an alias.'
    )
    .option('--unset', 'remove the alias NAME')
    .addHelpText(
      'after',
      '\nExample:\n  compose alias\n  compose alias mpi/default mpi/openmpi-4\n  compose alias mpi/default --unset'
    )
    .action(
      async (
        word: string | undefined,
        target: string | undefined,
        { unset }: { unset?: boolean },
        command: Command
      ) => {
        const context = contextOf(command)
        if (word === undefined) {
          if (unset)
            throw new StrataError('USAGE', {
              message: '--unset needs the name of an alias',
              hint: 'compose alias NAME --unset'
            })
          listAll(context, await context.openStore())
          return
        }
        const alias = parseModuleRequest(word)
        const store = await context.openStore()
        if (unset) return removeAlias(context, store, alias)
        if (target !== undefined) await writeAlias(store, alias, target)
        tellAlias(context, store, alias)
      }
    )
}

async function removeAlias(context: Context, store: Repository, alias: ModuleRequest): Promise<void> {
  await store.assertWritable()
  const removed = await store.removeAlias(alias)
  const word = formatModuleRequest(alias)
  context.result({ alias: word, module: null, removed }, () =>
    removed ? `alias ${word} is removed` : `${word} was not an alias`
  )
}

/** @throws StrataError if modules of that name are published, or if nothing is published that `target` can stand for */
async function writeAlias(store: Repository, alias: ModuleRequest, target: string): Promise<void> {
  const request = await store.parseTypedName(target)
  await store.assertWritable()
  if (store.publishedVersions(alias).length > 0)
    throw new StrataError('MODULE_EXISTS', {
      message: `${formatModuleRequest(alias)} is the name of a published module, so it cannot be an alias`
    })
  await store.findModule(request)
  await store.writeAlias(alias, request)
}

function tellAlias(context: Context, store: Repository, alias: ModuleRequest): void {
  const word = formatModuleRequest(alias)
  const found = store.findAlias(alias)
  const text = found && formatModuleRequest(found)
  context.result({ alias: word, module: text ?? null }, () =>
    text === undefined ? `${word} is not an alias` : `${word} stands for ${text}`
  )
}

/** Lists every alias once: the first store that has it counts. Aliases that cannot be read are printed as faults. */
function listAll(context: Context, store: Repository): void {
  const aliases = new Map<string, { module: string; store: string }>()
  const faults: StrataError[] = []
  for (const { root } of store.searched) {
    const listed = listAliases(root)
    faults.push(...listed.faults)
    for (const { category, name, value } of listed.notes) {
      const alias = formatModuleRequest({ category, name })
      if (!aliases.has(alias)) aliases.set(alias, { module: formatModuleRequest(value), store: root })
    }
  }
  const listed = [...aliases].map(([alias, found]) => ({ alias, ...found }))
  context.result({ aliases: listed, faults: faultsJson(faults) }, () =>
    listed.length === 0
      ? 'no aliases'
      : listed.map(({ alias, module }) => `${alias} stands for ${module}`).join('\n')
  )
  tellFaults(context, faults)
}
