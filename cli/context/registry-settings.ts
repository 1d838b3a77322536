import type { RegistrySettings } from '../../store/registry/index.ts'

/** Flags of commands that ask registries (spec/registry.md). */
export interface RegistryFlags {
  authfile?: string
  tlsCa?: string[]
}

export const registrySettings = ({ authfile, tlsCa = [] }: RegistryFlags): RegistrySettings => ({
  environment: process.env,
  tlsCa,
  ...(authfile !== undefined && { authFile: authfile })
})
