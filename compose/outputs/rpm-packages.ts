/** Packages in a database of rpm inside a tree: the host's rpm is asked about a copy, because only rpm knows its form. */
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeOwnFolder } from '../../store/disk/index.ts'
import type { PackageVersion } from '../../store/module/index.ts'
import { dropUndefined, type PathBytes, showText } from '../../store/values/index.ts'
import type { UnreadFile } from './tree-file.ts'

const FOLDERS = ['usr/lib/sysimage/rpm', 'var/lib/rpm']
const DATABASE = 'rpmdb.sqlite'
/** Changes that rpm has not yet moved into the database. */
const LOG = 'rpmdb.sqlite-wal'
/** Databases of older systems, and of SUSE. */
const OTHER_FORMS = ['Packages', 'Packages.db']

const QUERY = '%{NAME}\\t%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\\t%{ARCH}\\n'
const MOST_OUTPUT_BYTES = 1 << 28
/** A database made by others must not hold a query for ever. */
const MOST_MILLISECONDS = 60_000
const NOBODY = 65534

/** Files of a database by name. */
export type RpmFiles = Map<string, Buffer | UnreadFile>

/** Empty if there is none. */
export function rpmFiles(read: (path: PathBytes) => Buffer | UnreadFile | undefined): RpmFiles {
  for (const folder of FOLDERS) {
    const files = [DATABASE, LOG, ...OTHER_FORMS].map(name => [name, read(`${folder}/${name}`)] as const)
    const found = files.filter((file): file is [string, Buffer | UnreadFile] => file[1] !== undefined)
    if (found.length > 0) return new Map(found)
  }
  return new Map()
}

export const isSameRpm = (a: RpmFiles, b: RpmFiles): boolean =>
  a.size === b.size &&
  [...a].every(([name, bytes]) => {
    const other = b.get(name)
    return Buffer.isBuffer(bytes) && Buffer.isBuffer(other) && bytes.equals(other)
  })

/** The packages, or why they cannot be read. */
export function rpmPackages(files: RpmFiles): PackageVersion[] | string {
  if (files.size === 0) return []
  if (!files.has(DATABASE)) return `only databases of rpm in the form of SQLite (${DATABASE}) are read`
  const known = new Map<string, Buffer>()
  for (const [name, bytes] of files) {
    if (!Buffer.isBuffer(bytes)) return bytes.why
    known.set(name, bytes)
  }
  const folder = makeOwnFolder(tmpdir(), 'strata-rpm-')
  try {
    return askRpm(folder.path, known)
  } finally {
    folder.remove()
  }
}

/**
 * The database may be the work of a hostile user, so rpm does not read it as root. The folder of `nobody` lies in one of
 * root's, so that no process of `nobody` can exchange it before root removes it.
 */
function askRpm(outer: string, files: ReadonlyMap<string, Buffer>): PackageVersion[] | string {
  const isRoot = process.getuid?.() === 0
  const folder = join(outer, 'rpm')
  mkdirSync(folder, { mode: 0o700 })
  if (isRoot) chmodSync(outer, 0o711)
  for (const [name, bytes] of files) {
    writeFileSync(join(folder, name), bytes, { mode: 0o600 })
    if (isRoot) chownSync(join(folder, name), NOBODY, NOBODY)
  }
  if (isRoot) chownSync(folder, NOBODY, NOBODY)
  const { status, error, stdout, stderr } = spawnSync('rpm', ['--dbpath', folder, '-qa', '--qf', QUERY], {
    ...{ cwd: '/', stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env.PATH, LC_ALL: 'C' } },
    ...{ maxBuffer: MOST_OUTPUT_BYTES, timeout: MOST_MILLISECONDS, encoding: 'utf8' },
    ...(isRoot && { uid: NOBODY, gid: NOBODY })
  })
  if (error !== undefined)
    return `rpm cannot be run: ${(error as NodeJS.ErrnoException).code ?? error.message}`
  if (status !== 0 || stderr.includes('error:'))
    return `rpm cannot read the database: ${showText(stderr.split('\n')[0])}`
  return stdout.split('\n').flatMap((line): PackageVersion[] => {
    const [name, version, architecture] = line.split('\t')
    if (architecture === undefined) return []
    return [
      dropUndefined({ name, version, architecture: architecture === '(none)' ? undefined : architecture })
    ]
  })
}
