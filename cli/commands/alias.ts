import type { Command } from 'commander'
import { StrataError } from '../../store/errors.ts'
import { readAlias, removeAlias, writeAlias } from '../../store/module/aliases.ts'
import { findModule, publishedVersions } from '../../store/module/find-module.ts'
import { formatModuleRequest, parseModuleRequest } from '../../store/module/name.ts'
import { assertWritable } from '../../store/store.ts'
import { contextOf } from '../command.ts'

export default (program: Command): void => {
  program
    .command('alias NAME [MODULE]')
    .summary('give a module another name')
    .description(
      'Let NAME stand for MODULE in this store, with a version or without. Without MODULE, tell what NAME stands for.\nNames of published modules cannot be taken.'
    )
    .option('--unset', 'NAME stands for nothing any more')
    .addHelpText(
      'after',
      '\nExample:\n  compose alias mpi/default mpi/openmpi-4\n  compose alias mpi/default --unset'
    )
    .action(
      async (word: string, target: string | undefined, { unset }: { unset?: boolean }, command: Command) => {
        const context = contextOf(command)
        const alias = parseModuleRequest(word)
        const store = await context.openStore()
        if (unset) {
          await assertWritable(store)
          const removed = await removeAlias(store.root, alias)
          context.result({ alias: word, removed }, () =>
            removed ? `${word} is no alias any more` : `${word} was no alias`
          )
          return
        }
        if (target !== undefined) {
          const request = parseModuleRequest(target)
          await assertWritable(store)
          if (publishedVersions(store, alias).length > 0)
            throw new StrataError('MODULE_EXISTS', {
              message: `${word} is the name of a published module, it cannot be an alias`
            })
          await findModule(store, request)
          await writeAlias(store, alias, request)
        }
        const found = target === undefined ? readAlias(store.root, alias) : parseModuleRequest(target)
        const text = found && formatModuleRequest(found)
        context.result({ alias: word, module: text ?? null }, () =>
          text === undefined ? `${word} is no alias` : `${word} stands for ${text}`
        )
      }
    )
}
