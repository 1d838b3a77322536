/** Packages that two trees have in another version, or that only one of them has. */
import { PACKAGE_DATABASES, type PackageChange, packageChanges } from '../../store/package/index.ts'
import type { PathBytes } from '../../store/values/index.ts'
import { isSameRpm, rpmFiles, rpmPackages } from './rpm-packages.ts'

/** Bytes of a file of a tree; undefined if there is none. */
export type ReadTree = (path: PathBytes) => Buffer | undefined

export interface PackageDifference extends PackageChange {
  manager: string
}

/** A database of packages that differs, but could not be compared. */
export interface UnreadPackages {
  manager: string
  side: 'left' | 'right'
  why: string
}

export interface ComparedPackages {
  packages: PackageDifference[]
  unreadPackages: UnreadPackages[]
}

export function comparePackages(left: ReadTree, right: ReadTree): ComparedPackages {
  const packages = PACKAGE_DATABASES.flatMap(({ manager, paths, parse }) => {
    const [before, after] = [left, right].map(read => parse(firstOf(paths, read)?.toString('utf8') ?? ''))
    return packageChanges(before, after).map(change => ({ manager, ...change }))
  })
  const ofRpm = compareRpm(left, right)
  return { packages: [...packages, ...ofRpm.packages], unreadPackages: ofRpm.unreadPackages }
}

function firstOf(paths: string[], read: ReadTree): Buffer | undefined {
  for (const path of paths) {
    const bytes = read(path)
    if (bytes !== undefined) return bytes
  }
  return undefined
}

function compareRpm(left: ReadTree, right: ReadTree): ComparedPackages {
  const manager = 'rpm'
  const [one, other] = [left, right].map(rpmFiles)
  if (isSameRpm(one, other)) return { packages: [], unreadPackages: [] }
  const [before, after] = [one, other].map(rpmPackages)
  if (typeof before === 'object' && typeof after === 'object') {
    const packages = packageChanges(before, after).map(change => ({ manager, ...change }))
    return { packages, unreadPackages: [] }
  }
  const unreadPackages = (['left', 'right'] as const).flatMap((side): UnreadPackages[] => {
    const why = side === 'left' ? before : after
    return typeof why === 'string' ? [{ manager, side, why }] : []
  })
  return { packages: [], unreadPackages }
}
