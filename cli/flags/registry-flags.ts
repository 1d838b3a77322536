import type { Command } from 'commander'
import type { RegistrySettings } from '../../store/registry/index.ts'
import { collect } from '../context/index.ts'

/** Flags of commands that ask registries (spec/registry.md). */
export interface RegistryFlags {
  authfile?: string
  tlsCa?: string[]
}

export const withRegistryFlags = (command: Command): Command =>
  command
    .option('--authfile <FILE>', 'credentials of registries (default: those of podman and docker)')
    .option('--tls-ca <FILE>', 'certificates of an authority to trust beside those of the system', collect)

export const registrySettings = ({ authfile, tlsCa = [] }: RegistryFlags): RegistrySettings => ({
  environment: process.env,
  tlsCa,
  ...(authfile !== undefined && { authFile: authfile })
})
