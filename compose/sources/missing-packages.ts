/**
 * Finds packages that the .deb files of a module depend on, and that neither the module nor its requirements have.
 * This is only a note, because the host that runs the module, or a base that was not named, may have them
 * (spec/sources.md#deb).
 */

import type { ModuleSource } from '../../store/import/index.ts'
import type { ModuleRecord, Requirement } from '../../store/module/index.ts'
import { isInstalled, needsOf, parseDeb822 } from '../../store/package/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { type Composition, openComposition, readTreeFile, recordsIn } from '../outputs/index.ts'
import { resolveStack } from '../resolve/index.ts'
import { chosenOf } from '../stack/index.ts'

/** dpkg's list of installed packages. Systems without dpkg ("distroless") have a folder with one file per package. */
const STATUS = 'var/lib/dpkg/status'

/**
 * @param requires of the module's record
 * @returns a note, or none
 */
export async function missingPackages(
  store: Repository,
  sources: readonly ModuleSource[],
  requires: readonly Requirement[]
): Promise<string[]> {
  const packages = sources.flatMap(source => source.packages ?? [])
  const own = new Set(packages.flatMap(({ name, provides }) => [name, ...provides]))
  const open = unmet(
    packages.flatMap(({ needs }) => needs),
    own
  )
  if (open.length === 0) return []
  const below = await packagesBelow(store, requires)
  const missing = unmet(open, below ?? new Set())
  if (missing.length === 0) return []
  const names = [...new Set(missing.map(names => names.join(' | ')))].sort().join(', ')
  return [
    requires.length === 0
      ? `depends on packages that it does not contain, and it requires no module: ${names} (--requires a base that has them, or name their .deb files too)`
      : `depends on packages that neither it nor the modules it requires contain: ${names}`
  ]
}

const unmet = (needs: string[][], known: ReadonlySet<string>): string[][] =>
  needs.filter(names => !names.some(name => known.has(name)))

/** Returns undefined if a required module is missing or must not be read, because then nothing is known. */
async function packagesBelow(
  store: Repository,
  requires: readonly Requirement[]
): Promise<Set<string> | undefined> {
  if (requires.length === 0) return undefined
  try {
    const modules = (await resolveStack(store, [...requires])).map(chosenOf)
    const composition = await openComposition(store, modules, store.profile, { onConflict: 'upper' })
    try {
      return new Set([...recordsIn(composition).flatMap(packagesOf), ...installedIn(composition)])
    } finally {
      await composition.close()
    }
  } catch (error) {
    if (error instanceof StrataError) return undefined
    throw error
  }
}

const packagesOf = ({ origin, labels }: ModuleRecord): string[] => [
  ...origin.flatMap(({ packages = [] }) => packages.map(({ name }) => name)),
  ...Object.keys(labels).flatMap(key => /^org\.debian\.package\.(.+)$/.exec(key)?.[1] ?? [])
]

function installedIn(composition: Composition): string[] {
  const status = readTreeFile(composition, STATUS)
  return [...parseDeb822(Buffer.isBuffer(status) ? status.toString('utf8') : '')]
    .filter(isInstalled)
    .map(needsOf)
    .flatMap(({ name, provides }) => [name, ...provides])
}
