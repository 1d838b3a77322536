/** Packages that a command installed, from the databases of dpkg and apk before and after it (spec/capture.md#packages). */
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { constants } from '../../native/index.ts'
import type { PackageVersion } from '../../store/module/index.ts'
import { parseDeb822 } from '../../store/package/index.ts'
import { readRegularFile, SANDBOX_FOLDER } from '../sandbox/index.ts'

interface Database {
  path: string
  /** Its copy beside the record, so that a later capture in the same sandbox still knows it. */
  before: string
  parse(text: string): PackageVersion[]
}

const DATABASES: Database[] = [
  { path: 'var/lib/dpkg/status', before: 'dpkg-status', parse: installedByDpkg },
  { path: 'lib/apk/db/installed', before: 'apk-installed', parse: installedByApk }
]
const MOST_BYTES = 1 << 28

/** Copies of the databases of a tree in which nothing had run yet, by their names. */
export type PackagesBefore = Map<string, Buffer>

/** Keeps the databases of a tree in which nothing has run yet. */
export const keepPackages = (tree: string): void =>
  setPackagesBefore(tree, filesOf(DATABASES.map(({ path, before }) => [before, read(tree, path)])))

/** What `keepPackages` kept, for another folder of the same tree. */
export const packagesBefore = (tree: string): PackagesBefore =>
  filesOf(DATABASES.map(({ before }) => [before, read(tree, `${SANDBOX_FOLDER}/${before}`)]))

export function setPackagesBefore(tree: string, files: PackagesBefore): void {
  for (const [name, bytes] of files) writeFileSync(join(tree, SANDBOX_FOLDER, name), bytes, { mode: 0o600 })
}

const filesOf = (files: [string, Buffer | undefined][]): PackagesBefore =>
  new Map(files.filter((file): file is [string, Buffer] => file[1] !== undefined))

/** New packages, and those of another version, by name. */
export const newPackages = (tree: string): PackageVersion[] =>
  DATABASES.flatMap(({ path, before, parse }) => {
    const packagesIn = (file: string) => parse(read(tree, file)?.toString('utf8') ?? '')
    const known = new Set(packagesIn(`${SANDBOX_FOLDER}/${before}`).map(keyOf))
    return packagesIn(path).filter(found => !known.has(keyOf(found)))
  }).sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))

const keyOf = ({ name, version, architecture }: PackageVersion): string =>
  `${name} ${architecture ?? ''} ${version}`

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

function installedByDpkg(status: string): PackageVersion[] {
  return [...parseDeb822(status)].flatMap((fields): PackageVersion[] => {
    const [name, version, architecture] = ['package', 'version', 'architecture'].map(key => fields.get(key))
    const isInstalled = /(^| )installed$/.test(fields.get('status') ?? '')
    if (name === undefined || version === undefined || !isInstalled) return []
    return [{ name, version, ...(architecture !== undefined && { architecture }) }]
  })
}

/** Lines `P:name`, `V:version`, `A:architecture`, and an empty line behind each package. */
function installedByApk(database: string): PackageVersion[] {
  return database.split('\n\n').flatMap((block): PackageVersion[] => {
    const fieldOf = (key: string) =>
      block
        .split('\n')
        .find(line => line.startsWith(key))
        ?.slice(key.length)
    const [name, version, architecture] = ['P:', 'V:', 'A:'].map(fieldOf)
    if (name === undefined || version === undefined) return []
    return [{ name, version, ...(architecture !== undefined && { architecture }) }]
  })
}
