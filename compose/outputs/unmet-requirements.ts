/** What pushed modules require and nobody finds in their new place (spec/registry.md#push-of-modules). */
import { formatModuleName, formatRequirement, type ModuleRecord } from '../../store/module/index.ts'
import { satisfies } from '../resolve/index.ts'

/** The module that requires, and its requirement, as users type it. */
export interface Unmet {
  module: string
  requirement: string
}

/**
 * Nothing is refused for it: another remote may have what is required.
 * @param pushed records of the modules that were pushed together
 * @param versionsThere versions of a name in the place; undefined if they are not told
 */
export async function unmetRequirements(
  pushed: readonly ModuleRecord[],
  versionsThere: (name: { category: string; name: string }) => Promise<string[] | undefined>
): Promise<Unmet[]> {
  const unmet: Unmet[] = []
  for (const record of pushed)
    for (const requirement of record.requires) {
      const { category, name } = requirement
      if (pushed.some(other => satisfies(other, requirement))) continue
      const versions = await versionsThere({ category, name })
      const isMet = versions?.some(version => satisfies({ category, name, version }, requirement)) ?? true
      if (!isMet)
        unmet.push({ module: formatModuleName(record), requirement: formatRequirement(requirement) })
    }
  return unmet
}
