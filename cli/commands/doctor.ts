import type { Command } from 'commander'
import { examineHost, type HostCheck } from '../../compose/run/index.ts'
import { contextOf } from '../context/index.ts'

const EXAMPLES = `
Tries namespaces, FUSE and overlays as compose run would, looks for squashfuse, subordinate ids and runtimes, and reads
run.yaml and the devices of CDI, and tries ACLs and reflinks in FOLDER (default: the current one). Changes nothing.

Examples:
  compose doctor
  compose doctor /scratch/$USER /apps/store`

export default (program: Command): void => {
  program
    .command('doctor [FOLDER...]')
    .summary('what works on this host, and what mends the rest')
    .description('Check what this host allows, and say which line mends what does not work.')
    .addHelpText('after', EXAMPLES)
    .action(async (folders: string[], _options: unknown, command: Command) => {
      const context = contextOf(command)
      const checks = await examineHost(folders.length > 0 ? folders : [process.cwd()], process.env)
      context.result({ checks }, () => checks.map(rendered).join('\n'))
    })
}

function rendered({ name, works, found, purpose, remedy }: HostCheck): string {
  const line = `${works ? 'yes' : 'no '}  ${name.padEnd(10)}  ${found}`
  if (works) return line
  return [line, `     for: ${purpose}`, ...(remedy === undefined ? [] : [`     try: ${remedy}`])].join('\n')
}
