/** Packages that a command installed, from the database of dpkg before and after it (spec/capture.md#packages). */
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { constants } from '../../native/index.ts'
import type { PackageVersion } from '../../store/module/index.ts'
import { parseDeb822 } from '../../store/package/index.ts'
import { readRegularFile, SANDBOX_FOLDER } from '../sandbox/index.ts'

const STATUS = 'var/lib/dpkg/status'
/** Beside the record, so that a later capture in the same sandbox still knows it. */
const BEFORE = 'dpkg-status'
const MOST_BYTES = 1 << 28

/** Keeps the database of a tree in which nothing has run yet. */
export function keepPackages(tree: string): void {
  setPackagesBefore(tree, read(tree, STATUS))
}

/** What `keepPackages` kept, for another folder of the same tree. */
export const packagesBefore = (tree: string): Buffer | undefined => read(tree, `${SANDBOX_FOLDER}/${BEFORE}`)

export function setPackagesBefore(tree: string, status: Buffer | undefined): void {
  if (status !== undefined) writeFileSync(join(tree, SANDBOX_FOLDER, BEFORE), status, { mode: 0o600 })
}

/** New packages, and those of another version, by name. */
export function newPackages(tree: string): PackageVersion[] {
  const before = new Set(installed(read(tree, `${SANDBOX_FOLDER}/${BEFORE}`)).map(keyOf))
  return installed(read(tree, STATUS))
    .filter(found => !before.has(keyOf(found)))
    .sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
}

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

function installed(status: Buffer | undefined): PackageVersion[] {
  return [...parseDeb822(status?.toString('utf8') ?? '')].flatMap((fields): PackageVersion[] => {
    const [name, version, architecture] = ['package', 'version', 'architecture'].map(key => fields.get(key))
    const isInstalled = /(^| )installed$/.test(fields.get('status') ?? '')
    if (name === undefined || version === undefined || !isInstalled) return []
    return [{ name, version, ...(architecture !== undefined && { architecture }) }]
  })
}
