/** Packages that two trees have in another version, or that only one of them has. */
import { createHash } from 'node:crypto'
import type { PackageVersion } from '../../store/module/index.ts'
import {
  PACKAGE_DATABASES,
  type PackageChange,
  type PackageDatabaseFile,
  packageChanges
} from '../../store/package/index.ts'
import type { PathBytes } from '../../store/values/index.ts'
import { isSameRpm, rpmFiles, rpmPackages } from './rpm-packages.ts'
import type { UnreadFile } from './tree-file.ts'

/** Bytes of a file of a tree, or why it is not read; undefined if there is none. */
export type ReadTree = (path: PathBytes) => Buffer | UnreadFile | undefined

export interface PackageDifference extends PackageChange {
  manager: string
}

/** A database of packages that could not be compared. */
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
  const compared = [
    ...PACKAGE_DATABASES.map(database => compareTexts(database, left, right)),
    compareRpm(left, right)
  ]
  return {
    packages: compared.flatMap(({ packages }) => packages),
    unreadPackages: compared.flatMap(({ unreadPackages }) => unreadPackages)
  }
}

/** What one manager has installed in a tree. */
export interface InstalledPackages {
  manager: string
  /** Of the files of its database. */
  digest: string
  packages: PackageVersion[]
  /** Why the database cannot be read. */
  why?: string
}

/** @param known what a database with the same files has */
export function installedPackages(read: ReadTree, known: InstalledPackages[] = []): InstalledPackages[] {
  const ofTexts = PACKAGE_DATABASES.map(({ manager, paths, parse }) => {
    const found = firstOf(paths, read)
    const list = () => (Buffer.isBuffer(found) ? parse(found.toString('utf8')) : (found?.why ?? []))
    return { manager, digest: digestOf(found === undefined ? [] : [found]), list }
  })
  const files = rpmFiles(read)
  const ofRpm = { manager: 'rpm', digest: digestOf([...files.values()]), list: () => rpmPackages(files) }
  return [...ofTexts, ofRpm].map(({ manager, digest, list }) => {
    const same = known.find(each => each.manager === manager && each.digest === digest)
    if (same !== undefined) return same
    const packages = list()
    return typeof packages === 'string'
      ? { manager, digest, packages: [], why: packages }
      : { manager, digest, packages }
  })
}

function digestOf(files: (Buffer | UnreadFile)[]): string {
  const hash = createHash('sha256')
  for (const file of files) {
    const bytes = Buffer.isBuffer(file) ? file : Buffer.from(file.why)
    hash.update(`${bytes.length}\n`).update(bytes)
  }
  return hash.digest('hex')
}

function compareTexts(
  { manager, paths, parse }: PackageDatabaseFile,
  left: ReadTree,
  right: ReadTree
): ComparedPackages {
  const [before, after] = [left, right].map(read => {
    const found = firstOf(paths, read)
    if (found === undefined) return []
    return Buffer.isBuffer(found) ? parse(found.toString('utf8')) : found.why
  })
  return compareLists(manager, before, after)
}

function firstOf(paths: string[], read: ReadTree): ReturnType<ReadTree> {
  for (const path of paths) {
    const found = read(path)
    if (found !== undefined) return found
  }
  return undefined
}

function compareRpm(left: ReadTree, right: ReadTree): ComparedPackages {
  const [one, other] = [left, right].map(rpmFiles)
  if (isSameRpm(one, other)) return { packages: [], unreadPackages: [] }
  return compareLists('rpm', rpmPackages(one), rpmPackages(other))
}

/** The packages of both sides, or why they cannot be read. */
function compareLists(
  manager: string,
  before: PackageVersion[] | string,
  after: PackageVersion[] | string
): ComparedPackages {
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
