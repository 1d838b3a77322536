import type { Command } from 'commander'
import { type ConsentFlags, parseConsent } from '../../store/access/index.ts'
import { IdNames } from '../../store/accounts/index.ts'
import { restoreRecord } from '../../store/import/index.ts'
import { formatModuleName, parseModuleName, readRef, recordsOf } from '../../store/module/index.ts'
import { formatCid, StrataError } from '../../store/values/index.ts'
import { collect, contextOf } from '../context/index.ts'
import { historyJson, renderHistory, renderRestored, restoredJson } from '../render/index.ts'

interface Options extends ConsentFlags {
  restore?: string
}

export default (program: Command): void => {
  program
    .command('history MODULE')
    .summary('list earlier records of a module, or restore one')
    .description(
      'List all records that MODULE has stood for, newest first, and the time when each became current or was replaced.\nMODULE is category/name-version with the whole version. --restore makes an earlier record current again.'
    )
    .option('--restore <ID>', 'make this record current again: its id, or the first characters of it')
    .option(
      '--open-to <WHO>',
      'with --restore: admit everyone or group:G, where the record did not admit them before',
      collect
    )
    .option(
      '--allow-redistribution',
      'with --restore: allow the module to leave the site, where this was not allowed before'
    )
    .option('--drop-acls', 'with --restore: allow that paths lose their ACLs')
    .addHelpText(
      'after',
      '\nExample:\n  compose history app/vasp-6.4\n  compose history app/vasp-6.4 --restore baguqeeraqpj'
    )
    .action(async (word: string, options: Options, command: Command) => {
      const context = contextOf(command)
      const store = await context.openStore()
      const name = parseModuleName(word)
      if (options.restore !== undefined) {
        const consent = parseConsent(options, new IdNames())
        const restored = await restoreRecord(store, name, options.restore, consent)
        context.result(restoredJson(restored), () => renderRestored(restored))
        return
      }
      const current = readRef(store.root, name)
      const records = recordsOf(store.root, name)
      if (records.length === 0)
        throw new StrataError('MODULE_UNKNOWN', {
          message: `nothing was ever published as ${formatModuleName(name)} in ${store.root}`,
          hint: `compose spider ${name.category}/${name.name}`
        })
      const isCurrent = (id: string) => current !== undefined && formatCid(current) === id
      context.result(historyJson(name, records, isCurrent), () => renderHistory(name, records, isCurrent))
    })
}
