/**
 * Modules whose licence forbids passing them on: files that leave the site must not contain them
 * (spec/store-layout.md#redistribution).
 */

import { formatModuleName, type ModuleName } from '../module/index.ts'
import { StrataError } from '../values/index.ts'

export interface LicensedModule extends ModuleName {
  redistributable: boolean
  /** True if it counts as one that must not leave because its stored files are closed to some whom its record admits. */
  isCloser?: boolean
}

/**
 * Refuses to make an output that others may be given, unless the user says that it stays on the site.
 * @param records of all modules in it
 * @param what the output, such as `an OCI image`
 * @param internal set by `--internal`: it stays on the site
 * @throws StrataError NOT_REDISTRIBUTABLE that names each module that may not leave
 */
export function refuseNotRedistributable(
  records: Iterable<LicensedModule>,
  what: string,
  { internal = false }: { internal?: boolean } = {}
): void {
  if (internal) return
  const modules = [...records].filter(({ redistributable }) => !redistributable)
  const kept = modules.map(formatModuleName)
  if (kept.length === 0) return
  const isCloser = modules.some(module => module.isCloser)
  const sayings = kept.length === 1 ? 'its record says' : 'their records say'
  const why = isCloser
    ? 'its files in the store are closed to users whom its record admits, so its publisher may never have had them'
    : `${sayings} that nothing of it may be passed on`
  throw new StrataError('NOT_REDISTRIBUTABLE', {
    message: `${what} can leave the site, and ${kept.join(', ')} must not: ${why}`,
    facts: { modules: kept },
    hint: isCloser
      ? 'compose history MODULE tells who published it; compose fsck names the files'
      : '--internal says that it stays on the site'
  })
}
