import type { Command } from 'commander'
import type { HostRequest } from '../../compose/sources/host/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { collect } from '../context/index.ts'

/** Flags of `compose import` for files of the host. */
export interface HostFlags {
  hostPackage?: string[]
  withDeps?: boolean
  base?: string[]
  hostProgram?: string[]
  include?: string[]
  exclude?: string[]
  trace?: boolean
}

export const withHostFlags = (command: Command): Command =>
  command
    .option(
      '--host-package <P>',
      'import the files of a package that is installed on this host (dpkg or rpm)',
      collect
    )
    .option('--with-deps', 'also import the packages that those of --host-package depend on')
    .option(
      '--base <MODULE>',
      'leave out layers of an image, dependencies and libraries that this module already has (repeatable)',
      collect
    )
    .option(
      '--host-program <PATH>',
      'import a program of this host with its interpreter and shared libraries',
      collect
    )
    .option(
      '--trace',
      'run the command behind -- on this host, and import the programs and files that it opens'
    )
    .option('--include <GLOB>', 'import further files of this host', collect)
    .option('--exclude <GLOB>', 'leave out these files of this host', collect)

interface HostSources {
  /** Of --trace. */
  command?: string[]
  /** True if a source lists files of the host by itself. */
  hasList?: boolean
}

/**
 * Returns undefined if no flag asks for files of the host.
 * @throws StrataError USAGE
 */
export function hostRequest(
  flags: HostFlags,
  { command, hasList = false }: HostSources
): HostRequest | undefined {
  const {
    hostPackage = [],
    withDeps = false,
    base = [],
    hostProgram = [],
    include = [],
    exclude = []
  } = flags
  const refuse = (flag: string, wanted: string) => {
    throw new StrataError('USAGE', { message: `${flag} works only together with ${wanted}` })
  }
  if (withDeps && hostPackage.length === 0) refuse('--with-deps', '--host-package')
  if (
    base.length > 0 &&
    hostPackage.length > 0 &&
    !withDeps &&
    hostProgram.length === 0 &&
    command === undefined &&
    !hasList
  )
    refuse('--base', '--with-deps, --host-program or --trace')
  if (hostPackage.length + hostProgram.length === 0 && command === undefined && !hasList) {
    if (include.length > 0) refuse('--include', '--host-package, --host-program or --trace')
    if (exclude.length > 0) refuse('--exclude', '--host-package, --host-program or --trace')
    return undefined
  }
  return {
    packages: hostPackage,
    withDependencies: withDeps,
    bases: base,
    programs: hostProgram,
    include,
    exclude,
    ...(command !== undefined && { trace: command })
  }
}
