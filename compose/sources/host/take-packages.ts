/** Takes packages of this host, and the packages that they depend on. */
import { count, type PathBytes, pathFromText, StrataError, showPath } from '../../../store/values/index.ts'
import { DOCUMENTS } from './documents.ts'
import type { NotedDigest } from './host-members.ts'
import type { HostTree } from './host-tree.ts'
import type { HostPackage, OwnedFile, PackageDatabase } from './package-database.ts'

export interface TakenPackages {
  packages: HostPackage[]
  /** Recorded digests, by path without links. */
  digests: Map<PathBytes, NotedDigest & { owner: string; isConfig: boolean }>
  missing: { path: PathBytes; owner: string }[]
  notes: string[]
}

export interface TakePackagesOptions {
  names: string[]
  withDependencies: boolean
  /** True if the base has a path, either as the package manager spells it or without links. */
  isInBase: (path: PathBytes) => boolean
}

/** @throws StrataError PACKAGE_MISSING with all that are not installed; IO */
export function takePackages(
  tree: HostTree,
  database: PackageDatabase,
  options: TakePackagesOptions
): TakenPackages {
  const named = findNamed(database, options.names)
  const taken: TakenPackages = { packages: [], digests: new Map(), missing: [], notes: [] }
  const chosen = options.withDependencies ? withDependencies(database, named, taken.notes) : named
  const inBase: string[] = []
  for (const found of chosen) {
    const files = database.files(found)
    const isAsked = named.includes(found)
    if (!isAsked && isCovered(tree, files, options.isInBase)) inBase.push(found.name)
    else takeFiles(tree, found, files, taken)
  }
  if (inBase.length > 0)
    taken.notes.push(`the base already has ${count(inBase.length, 'package')}: ${inBase.sort().join(', ')}`)
  takeAlternatives(tree, database, taken)
  return taken
}

function findNamed(database: PackageDatabase, names: string[]): HostPackage[] {
  const found = names.map(name => database.find(name))
  const missing = names.filter((_, i) => found[i] === undefined)
  if (missing.length > 0)
    throw new StrataError('PACKAGE_MISSING', {
      message: `${database.manager} says that ${missing.map(name => showPath(pathFromText(name))).join(', ')} ${missing.length === 1 ? 'is' : 'are'} not installed`,
      facts: { packages: missing }
    })
  return found as HostPackage[]
}

/** The named packages first, then their dependencies, each once. */
function withDependencies(database: PackageDatabase, named: HostPackage[], notes: string[]): HostPackage[] {
  const chosen = new Map(named.map(found => [found.key, found]))
  for (const found of chosen.values()) {
    const { packages, missing } = database.dependencies(found)
    for (const more of packages) if (!chosen.has(more.key)) chosen.set(more.key, more)
    if (missing.length > 0)
      notes.push(`${found.name} depends on packages that are not installed: ${missing.join(', ')}`)
  }
  return [...chosen.values()]
}

function isCovered(tree: HostTree, files: OwnedFile[], isInBase: TakePackagesOptions['isInBase']): boolean {
  return files.every(({ path }) => {
    if (DOCUMENTS.test(path)) return true
    const real = tree.resolve(path, { followLast: false })
    return isInBase(path.slice(1)) || (real !== undefined && isInBase(real))
  })
}

function takeFiles(tree: HostTree, found: HostPackage, files: OwnedFile[], taken: TakenPackages): void {
  taken.packages.push(found)
  for (const { path, digest, isConfig } of files) {
    const real = tree.take(path, { followLast: false })
    if (real === undefined) taken.missing.push({ path: path.slice(1), owner: found.name })
    else if (digest !== undefined) taken.digests.set(real, { ...digest, owner: found.name, isConfig })
  }
}

function takeAlternatives(tree: HostTree, database: PackageDatabase, { notes }: TakenPackages): void {
  const paths = new Set(tree.taken().map(([path]) => path))
  const links = database.alternatives(tree, paths)
  for (const link of links) tree.take(link, { followLast: true })
  if (links.length > 0)
    notes.push(`alternatives, with the choice of this host: ${links.map(showPath).join(', ')}`)
}
