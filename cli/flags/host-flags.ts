import type { Command } from 'commander'
import type { HostRequest } from '../../compose/sources/host/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { collect } from '../context/index.ts'

/** What `compose import` takes from the host it runs on. */
export interface HostFlags {
  hostPackage?: string[]
  withDeps?: boolean
  base?: string[]
  hostProgram?: string[]
  include?: string[]
  exclude?: string[]
}

export const withHostFlags = (command: Command): Command =>
  command
    .option(
      '--host-package <P>',
      'files of a package that is installed here, as dpkg or rpm lists them',
      collect
    )
    .option('--with-deps', 'with the packages that those of --host-package depend on')
    .option(
      '--base <MODULE>',
      'leave out what this module has: layers of an image, dependencies, libraries; several: that one of them has',
      collect
    )
    .option('--host-program <PATH>', 'a program of this host, its interpreter and shared libraries', collect)
    .option('--include <GLOB>', 'further files of this host', collect)
    .option('--exclude <GLOB>', 'files of this host that are left out, whatever brings them', collect)

/** Undefined where nothing of the host is asked for. @throws StrataError USAGE */
export function hostRequest(flags: HostFlags): HostRequest | undefined {
  const {
    hostPackage = [],
    withDeps = false,
    base = [],
    hostProgram = [],
    include = [],
    exclude = []
  } = flags
  const refuse = (flag: string, wanted: string) => {
    throw new StrataError('USAGE', { message: `${flag} says more about ${wanted}, which is not there` })
  }
  if (withDeps && hostPackage.length === 0) refuse('--with-deps', '--host-package')
  if (base.length > 0 && hostPackage.length > 0 && !withDeps && hostProgram.length === 0)
    refuse('--base', '--with-deps or --host-program')
  if (hostPackage.length + hostProgram.length === 0) {
    if (include.length > 0) refuse('--include', '--host-package or --host-program')
    if (exclude.length > 0) refuse('--exclude', '--host-package or --host-program')
    return undefined
  }
  return {
    packages: hostPackage,
    withDependencies: withDeps,
    bases: base,
    programs: hostProgram,
    include,
    exclude
  }
}
