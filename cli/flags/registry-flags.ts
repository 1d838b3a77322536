import type { Command } from 'commander'
import { collect } from '../context/index.ts'

/** Adds the flags of commands that ask registries. */
export const withRegistryFlags = (command: Command): Command =>
  command
    .option('--authfile <FILE>', 'credentials of registries (default: those of podman and docker)')
    .option('--tls-ca <FILE>', 'certificates of an authority to trust beside those of the system', collect)
