/** Packages that a system has installed, as the databases of its package managers say. */
import type { PackageVersion } from '../module/index.ts'
import { dropUndefined } from '../values/index.ts'
import { type Paragraph, parseDeb822 } from './deb822.ts'

export interface PackageDatabaseFile {
  manager: 'dpkg' | 'apk'
  /** Paths where it may be; the first that is there counts. */
  paths: string[]
  parse(text: string): PackageVersion[]
}

/** Databases that are text files. */
export const PACKAGE_DATABASES: readonly PackageDatabaseFile[] = [
  { manager: 'dpkg', paths: ['var/lib/dpkg/status'], parse: installedByDpkg },
  { manager: 'apk', paths: ['lib/apk/db/installed', 'usr/lib/apk/db/installed'], parse: installedByApk }
]

/** True if a paragraph of dpkg's status file is of an installed package. */
export const isInstalled = (fields: Paragraph): boolean => /(^| )installed$/.test(fields.get('status') ?? '')

function installedByDpkg(status: string): PackageVersion[] {
  return [...parseDeb822(status)].flatMap((fields): PackageVersion[] => {
    const [name, version, architecture] = ['package', 'version', 'architecture'].map(key => fields.get(key))
    if (name === undefined || version === undefined || !isInstalled(fields)) return []
    return [dropUndefined({ name, version, architecture })]
  })
}

/** Lines `P:name`, `V:version`, `A:architecture`, and an empty line behind each package. */
function installedByApk(database: string): PackageVersion[] {
  return database.split('\n\n').flatMap((block): PackageVersion[] => {
    const lines = block.split('\n')
    const [name, version, architecture] = ['P:', 'V:', 'A:'].map(key =>
      lines.find(line => line.startsWith(key))?.slice(key.length)
    )
    if (name === undefined || version === undefined) return []
    return [dropUndefined({ name, version, architecture })]
  })
}

/** A package that one of two systems lacks, or that they have in another version or architecture. */
export interface PackageChange {
  name: string
  left?: PackageVersion
  right?: PackageVersion
}

/**
 * Differences between two lists of packages, by name. A package may be there for several architectures, and with some
 * managers in several versions: the same architecture is compared first.
 */
export function packageChanges(
  left: readonly PackageVersion[],
  right: readonly PackageVersion[]
): PackageChange[] {
  const [before, after] = [left, right].map(packages => grouped(packages, ({ name }) => name))
  return [...new Set([...before.keys(), ...after.keys()])]
    .sort((a, b) => (a < b ? -1 : 1))
    .flatMap(name => changesOf(name, before.get(name) ?? [], after.get(name) ?? []))
}

function grouped(
  packages: readonly PackageVersion[],
  keyOf: (each: PackageVersion) => string
): Map<string, PackageVersion[]> {
  const groups = new Map<string, PackageVersion[]>()
  for (const each of packages) {
    const group = groups.get(keyOf(each))
    if (group === undefined) groups.set(keyOf(each), [each])
    else group.push(each)
  }
  return groups
}

function changesOf(name: string, left: PackageVersion[], right: PackageVersion[]): PackageChange[] {
  const won = grouped(without(right, left).reverse(), ({ architecture = '' }) => architecture)
  const changed = without(left, right).map((before): PackageChange => {
    return { name, left: before, right: won.get(before.architecture ?? '')?.pop() }
  })
  const others = [...won.values()].flat()
  for (const change of changed) change.right ??= others.pop()
  return [...changed, ...others.reverse().map(each => ({ name, right: each }))].map(each =>
    dropUndefined(each)
  )
}

function without(packages: PackageVersion[], known: PackageVersion[]): PackageVersion[] {
  const keys = new Set(known.map(keyOf))
  return packages.filter(each => !keys.has(keyOf(each)))
}

const keyOf = ({ version, architecture }: PackageVersion): string => `${architecture ?? ''} ${version}`
