/** What a command did to the packages of a tree: the databases of dpkg, apk and rpm before and after it (spec/capture.md#packages). */
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { constants, type NativeError } from '../../native/index.ts'
import type { PackageVersion } from '../../store/module/index.ts'
import { packageChanges } from '../../store/package/index.ts'
import type { PathBytes } from '../../store/values/index.ts'
import { type InstalledPackages, installedPackages, type ReadTree } from '../outputs/index.ts'
import { readRegularFile, SANDBOX_FOLDER } from '../sandbox/index.ts'
import type { PackageDelta } from '../sources/index.ts'

/** Lies beside the record, so that a later capture in the same sandbox still knows them. */
const COPY = `${SANDBOX_FOLDER}/packages.json`

const MOST_BYTES = 1 << 28

/** By manager: the packages of a tree in which nothing had run yet. */
export type PackagesBefore = InstalledPackages[]

/** Keeps the packages of a tree in which nothing has run yet. */
export const keepPackages = (tree: string): void => setPackagesBefore(tree, installedPackages(readerOf(tree)))

/** What `keepPackages` kept, for another folder of the same tree. */
export function packagesBefore(tree: string): PackagesBefore {
  const bytes = readerOf(tree)(COPY)
  return Buffer.isBuffer(bytes) ? JSON.parse(bytes.toString('utf8')) : []
}

export const setPackagesBefore = (tree: string, packages: PackagesBefore): void =>
  writeFileSync(join(tree, COPY), JSON.stringify(packages), { mode: 0o600 })

/** @param note told of databases that changed and cannot be compared */
export function changedPackages(tree: string, note: (text: string) => void): PackageDelta {
  const before = packagesBefore(tree)
  const changes = installedPackages(readerOf(tree), before).flatMap(after => {
    const own = before.find(({ manager }) => manager === after.manager)
    if (own === undefined || own.digest === after.digest) return []
    const why = own.why ?? after.why
    if (why === undefined) return packageChanges(own.packages, after.packages)
    note(`the record does not say which packages of ${after.manager} were changed: ${why}`)
    return []
  })
  const found = changes.flatMap(({ left, right }) =>
    right === undefined ? [] : [{ ...right, ...(left !== undefined && { before: left.version }) }]
  )
  const removed = changes.flatMap(({ left, right }) => (right === undefined ? [left!] : []))
  return { packages: found.sort(byName), removed: removed.sort(byName) }
}

const byName = (a: PackageVersion, b: PackageVersion): number => (keyOf(a) < keyOf(b) ? -1 : 1)

const keyOf = ({ name, version, architecture }: PackageVersion): string =>
  `${name} ${architecture ?? ''} ${version}`

const ABSENT = ['ENOENT', 'ENOTDIR']

/** The tree is the command's work: no link in it is followed. */
const readerOf =
  (tree: string): ReadTree =>
  (path: PathBytes) => {
    const top = openSync(tree, constants.O_PATH | constants.O_DIRECTORY)
    try {
      return readRegularFile(top, path, MOST_BYTES)
    } catch (error) {
      const { code, message } = error as NativeError
      return ABSENT.includes(code) ? undefined : { why: `/${path}: ${message}` }
    } finally {
      closeSync(top)
    }
  }
