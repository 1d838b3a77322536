/**
 * Finds packages with files that a program may open while it runs. No table of the program lists them, but the
 * packages of the program and its libraries depend on them: gdb's library of Python depends on the package with
 * Python's modules.
 */
import { type PathBytes, showPath } from '../../../store/values/index.ts'
import { DOCUMENTS } from './documents.ts'
import type { HostTree } from './host-tree.ts'
import type { HostPackage, PackageDatabase } from './package-database.ts'

/** Programs do not count: a package is only named if it has other files. */
const PROGRAMS = /^\/(usr\/)?s?bin\//
/** Libraries do not count: needed ones were already found by name. */
const LIBRARIES = /\/lib[^/]*\.so(\.[0-9.]+)?$/
const MOST_NAMED = 30

/**
 * @param taken files, by path without links
 * @param isInBase true for a path of the base
 * @returns a note; none if all files of the packages are taken or in the base
 */
export function packagesBehind(
  tree: HostTree,
  database: PackageDatabase,
  taken: PathBytes[],
  isInBase: (path: PathBytes) => boolean
): string[] {
  const isTaken = new Set(taken)
  const owners = new Map<string, HostPackage>()
  for (const owner of database.owners(tree, taken).values()) owners.set(owner.key, owner)
  const all = new Map(owners)
  for (const owner of owners.values())
    for (const needed of database.dependencies(owner).packages) all.set(needed.key, needed)
  const behind = [...all.values()].filter(each =>
    database.files(each).some(({ path }) => {
      if ([DOCUMENTS, PROGRAMS, LIBRARIES].some(others => others.test(path))) return false
      const real = tree.resolve(path, { followLast: false })
      if (real === undefined || isTaken.has(real) || isInBase(real) || isInBase(path.slice(1))) return false
      return tree.isFile(real)
    })
  )
  if (behind.length === 0) return []
  const names = behind.map(({ name }) => showPath(name)).sort()
  const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : ''
  return [
    `these packages have further files, which a program may open while it runs: ${names.slice(0, MOST_NAMED).join(', ')}${more} (add packages by --host-package, files by --include)`
  ]
}
