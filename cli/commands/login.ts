import type { Command } from 'commander'
import { login, registryKey } from '../../store/registry/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { contextOf, type RegistryFlags, registrySettings } from '../context/index.ts'
import { withRegistryFlags } from '../flags/index.ts'
import { askLine, askPassword, readPassword } from '../process/index.ts'

interface Options extends RegistryFlags {
  username?: string
  passwordStdin?: boolean
}

const EXAMPLES = `
The name and password are kept where podman login keeps them, so one login is enough for both. A part of a
repository's name behind the host makes a login for what lies below it.

Examples:
  compose login registry.example.org
  compose login registry.example.org:5000 --username me --password-stdin < token
  compose login registry.example.org/chemistry --username robot`

export default (program: Command): void => {
  const command = program
    .command('login HOST')
    .summary('log in to a registry')
    .description(
      'Ask the registry at HOST whether it takes your name and password, and keep them for later commands.'
    )
    .option('-u, --username <NAME>', 'your name there (default: ask)')
    .option('--password-stdin', 'read the password from standard input (default: ask)')
  withRegistryFlags(command)
    .addHelpText('after', EXAMPLES)
    .action(async (typed: string, options: Options, command: Command) => {
      const host = registryKey(typed) // before anybody is asked
      const context = contextOf(command)
      const { passwordStdin = false } = options
      if (passwordStdin && options.username === undefined)
        throw new StrataError('USAGE', {
          message: '--password-stdin takes standard input for the password, so the name has to be a flag',
          hint: `compose login ${host} --username NAME --password-stdin < FILE`
        })
      const username = options.username ?? (await askLine(`Name at ${host}: `))
      const password = passwordStdin ? await readPassword() : await askPassword(`Password of ${username}: `)
      const place = await login({ registry: host, username, password }, registrySettings(options))
      context.result({ registry: host, username, ...place }, () =>
        place.helper === undefined
          ? `logged in to ${host} as ${username}; kept in ${place.file}`
          : `logged in to ${host} as ${username}; kept by docker-credential-${place.helper}`
      )
    })
}
