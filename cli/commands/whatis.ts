import type { Command } from 'commander'
import { formatModuleName } from '../../store/module/index.ts'
import { contextOf } from '../context/index.ts'
import { renderWhatis, whatisLines } from '../render/index.ts'
import { namingRemote } from './finding.ts'

export default (program: Command): void => {
  program
    .command('whatis MODULE...')
    .summary('describe modules in a few lines')
    .description('Print name, version, description, licence and labels of modules, one per line.')
    .addHelpText('after', '\nExample:\n  compose whatis mpi/openmpi lib/hdf5-1.14')
    .action(async (words: string[], _options: object, command: Command) => {
      const context = contextOf(command)
      const store = await context.openStore()
      const told: { module: string; lines: [label: string, text: string][] }[] = []
      for (const word of words) {
        const { name, record } = await store
          .parseTypedName(word)
          .then(named => store.findModule(named))
          .catch(async error => {
            throw await namingRemote(store, word, error)
          })
        const module = formatModuleName(name)
        told.push({ module, lines: whatisLines(await store.readRecord(record)) })
      }
      context.result(
        {
          modules: told.map(({ module, lines }) => ({
            module,
            whatis: lines.map(([label, text]) => `${label}: ${text}`)
          }))
        },
        () => told.map(({ module, lines }) => renderWhatis(module, lines)).join('\n\n')
      )
    })
}
