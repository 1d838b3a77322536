import type { Command } from 'commander'
import { logout } from '../../store/registry/index.ts'
import { contextOf } from '../context/index.ts'

interface Options {
  authfile?: string
}

const EXAMPLES = `
Examples:
  compose logout registry.example.org`

export default (program: Command): void => {
  program
    .command('logout HOST')
    .summary('forget the login at a registry')
    .description(
      'Remove your name and password for the registry at HOST from where compose login and podman login keep them.'
    )
    .option('--authfile <FILE>', 'credentials of registries (default: those of podman)')
    .addHelpText('after', EXAMPLES)
    .action((host: string, { authfile }: Options, command: Command) => {
      const context = contextOf(command)
      const settings = {
        environment: process.env,
        tlsCa: [],
        ...(authfile !== undefined && { authFile: authfile })
      }
      const { removed, left } = logout(host, settings)
      if (left !== undefined)
        context.io.note(
          `${left} still has a login for ${host}: the tool that wrote it removes it (docker logout ${host})`
        )
      context.result(
        { registry: host, removed: removed !== undefined, ...removed, ...(left && { left }) },
        () => (removed === undefined ? `there was no login at ${host}` : `logged out of ${host}`)
      )
    })
}
