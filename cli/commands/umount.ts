import type { Command } from 'commander'
import { unmountImage } from '../../compose/mount/index.ts'
import { contextOf } from '../context/index.ts'

const EXAMPLES = `
DIR stays mounted if a program uses it; the error names the program. umount(8) and fusermount3 -u do the same.

Examples:
  compose umount /apps/vasp`

export default (program: Command): void => {
  program
    .command('umount <DIR>')
    .summary('take a mounted image away')
    .description('Take away what compose mount has mounted at DIR.')
    .addHelpText('after', EXAMPLES)
    .action((directory: string, _options: unknown, command: Command) => {
      const report = unmountImage(directory)
      contextOf(command).result({ ...report }, () => `unmounted ${report.directory}`)
    })
}
