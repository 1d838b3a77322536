/** Packages that a command installed, from the databases of dpkg and apk before and after it (spec/capture.md#packages). */
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { constants } from '../../native/index.ts'
import type { PackageVersion } from '../../store/module/index.ts'
import { PACKAGE_DATABASES, type PackageDatabaseFile, packageChanges } from '../../store/package/index.ts'
import { readRegularFile, SANDBOX_FOLDER } from '../sandbox/index.ts'

/** Copies of the databases beside the record, so that a later capture in the same sandbox still knows them. */
const COPIES = { dpkg: 'dpkg-status', apk: 'apk-installed' } as const

const MOST_BYTES = 1 << 28

/** Copies of the databases of a tree in which nothing had run yet, by their names. */
export type PackagesBefore = Map<string, Buffer>

/** Keeps the databases of a tree in which nothing has run yet. */
export const keepPackages = (tree: string): void =>
  setPackagesBefore(
    tree,
    filesOf(PACKAGE_DATABASES.map(database => [COPIES[database.manager], readDatabase(tree, database)]))
  )

/** What `keepPackages` kept, for another folder of the same tree. */
export const packagesBefore = (tree: string): PackagesBefore =>
  filesOf(PACKAGE_DATABASES.map(({ manager }) => [COPIES[manager], readCopy(tree, manager)]))

export function setPackagesBefore(tree: string, files: PackagesBefore): void {
  for (const [name, bytes] of files) writeFileSync(join(tree, SANDBOX_FOLDER, name), bytes, { mode: 0o600 })
}

const filesOf = (files: [string, Buffer | undefined][]): PackagesBefore =>
  new Map(files.filter((file): file is [string, Buffer] => file[1] !== undefined))

/** New packages, and those of another version with the version before, by name. */
export const newPackages = (tree: string): PackageVersion[] =>
  PACKAGE_DATABASES.flatMap(database => {
    const [before, after] = [readCopy(tree, database.manager), readDatabase(tree, database)].map(bytes =>
      database.parse(bytes?.toString('utf8') ?? '')
    )
    return packageChanges(before, after).flatMap(({ left, right }) =>
      right === undefined ? [] : [{ ...right, ...(left !== undefined && { before: left.version }) }]
    )
  }).sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))

const keyOf = ({ name, version, architecture }: PackageVersion): string =>
  `${name} ${architecture ?? ''} ${version}`

const readCopy = (tree: string, manager: PackageDatabaseFile['manager']): Buffer | undefined =>
  read(tree, `${SANDBOX_FOLDER}/${COPIES[manager]}`)

function readDatabase(tree: string, { paths }: PackageDatabaseFile): Buffer | undefined {
  for (const path of paths) {
    const bytes = read(tree, path)
    if (bytes !== undefined) return bytes
  }
  return undefined
}

/** The tree is the command's work: no link in it is followed. */
function read(tree: string, path: string): Buffer | undefined {
  const top = openSync(tree, constants.O_PATH | constants.O_DIRECTORY)
  try {
    return readRegularFile(top, path, MOST_BYTES)
  } catch {
    return undefined // no dpkg, or not its database
  } finally {
    closeSync(top)
  }
}
