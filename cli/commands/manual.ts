import type { Command } from 'commander'
import { contextOf, type Verbs } from '../context/index.ts'
import { formatManPage } from '../manual/index.ts'

export default (program: Command, verbs: Verbs): void => {
  program
    .command('manual')
    .summary('print the manual page')
    .description('Print the manual page of compose, in the format of man.')
    .addHelpText('after', '\nExample:\n  compose manual | man -l -')
    .action(async (_options: object, command: Command) => {
      const page = formatManPage(program, await verbs.listedCommands(), verbs.version())
      contextOf(command).result({ roff: page }, () => page.trimEnd())
    })
}
