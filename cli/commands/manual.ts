import type { Command } from 'commander'
import { contextOf } from '../command.ts'
import { listedCommands } from '../load-verbs.ts'
import { formatManPage } from '../manual/man-page.ts'
import { version } from '../version.ts'

export default (program: Command): void => {
  program
    .command('manual')
    .summary('print the manual page')
    .description('Print the manual page of compose, as roff for man.')
    .addHelpText('after', '\nExample:\n  compose manual | man -l -')
    .action(async (_options: object, command: Command) => {
      const page = formatManPage(program, await listedCommands(), version())
      contextOf(command).result({ roff: page }, () => page.trimEnd())
    })
}
