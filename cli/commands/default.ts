import type { Command } from 'commander'
import {
  formatModuleName,
  type ModuleRequest,
  type PublishedVersion,
  rankVersions
} from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { type Context, contextOf } from '../context/index.ts'

export default (program: Command): void => {
  program
    .command('default MODULE')
    .summary('choose the version that a name stands for')
    .description(
      'Make a version the default of its name in this store: compose add mpi/openmpi then takes this version and not the highest one. Without a version, print the present default.'
    )
    .option('--unset', 'remove the default: the name stands for its highest version again')
    .addHelpText(
      'after',
      '\nExample:\n  compose default mpi/openmpi-4.1.6\n  compose default mpi/openmpi --unset'
    )
    .action(async (word: string, { unset }: { unset?: boolean }, command: Command) => {
      const context = contextOf(command)
      const store = await context.openStore()
      const request = await store.parseTypedName(word)
      if (request.version === undefined && !unset) return tellDefault(context, store, request)
      await store.assertWritable()
      // A default is kept in the store of its versions: stores on COMPOSE_PATH have their own.
      if (unset) await removeDefault(context, store.alone(), request)
      else await writeDefault(context, store.alone(), request)
    })
}

const nameOf = ({ category, name }: ModuleRequest): string => `${category}/${name}`

/** @throws StrataError if no version is published */
async function bestVersion(store: Repository, request: ModuleRequest): Promise<PublishedVersion> {
  const [best] = rankVersions(store.publishedVersions(request), request.version)
  if (best === undefined) throw await store.unknownModule(request)
  return best
}

async function tellDefault(context: Context, store: Repository, request: ModuleRequest): Promise<void> {
  const { category, name } = request
  const { version, isDefault } = await bestVersion(store, request)
  const text = isDefault ? formatModuleName({ category, name, version }) : undefined
  context.result(
    { name: nameOf(request), default: text ?? null },
    () => text ?? `${nameOf(request)} has no default: its highest version is taken`
  )
}

async function removeDefault(context: Context, store: Repository, request: ModuleRequest): Promise<void> {
  const removed = await store.removeDefault(request)
  const name = nameOf(request)
  context.result({ name, default: null, removed }, () =>
    removed ? `${name} stands for its highest version again` : `${name} had no default`
  )
}

async function writeDefault(context: Context, store: Repository, request: ModuleRequest): Promise<void> {
  const { category, name } = request
  const module = { category, name, version: (await bestVersion(store, request)).version }
  await store.writeDefault(module)
  context.result(
    { name: nameOf(request), default: formatModuleName(module) },
    () => `${nameOf(request)} is ${formatModuleName(module)}`
  )
}
