/** Packages that two trees have in another version, or that only one of them has. */
import { PACKAGE_DATABASES, type PackageChange, packageChanges } from '../../store/package/index.ts'
import type { PathBytes } from '../../store/values/index.ts'

/** Bytes of a file of a tree; undefined if there is none. */
export type ReadTree = (path: PathBytes) => Buffer | undefined

export interface PackageDifference extends PackageChange {
  manager: string
}

export const packageDifferences = (left: ReadTree, right: ReadTree): PackageDifference[] =>
  PACKAGE_DATABASES.flatMap(({ manager, paths, parse }) => {
    const [before, after] = [left, right].map(read => parse(firstOf(paths, read)?.toString('utf8') ?? ''))
    return packageChanges(before, after).map(change => ({ manager, ...change }))
  })

function firstOf(paths: string[], read: ReadTree): Buffer | undefined {
  for (const path of paths) {
    const bytes = read(path)
    if (bytes !== undefined) return bytes
  }
  return undefined
}
