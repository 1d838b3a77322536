/** Asks the program rpm for the rpm database, because only rpm knows the form of its database. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type PathBytes, pathToText, StrataError } from '../../../store/values/index.ts'
import type { HostTree } from './host-tree.ts'
import type { Dependencies, HostPackage, OwnedFile, PackageDatabase } from './package-database.ts'

/** Folders of the database, those of newer systems first. */
const FOLDERS = ['usr/lib/sysimage/rpm', 'var/lib/rpm']
const MOST_OUTPUT_BYTES = 1 << 28

const GHOST = 1 << 6
const CONFIG = 1 << 0
/** Names of digests by PGP's numbers (RFC 4880, 9.4). */
const DIGEST_NAMES: Record<string, string> = { '1': 'md5', '2': 'sha1', '8': 'sha256', '10': 'sha512' }

const PACKAGE = '%{NAME}\\t%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\\t%{ARCH}\\t%{SUMMARY}\\n'
const FILES = '[%{FILENAMES}\\t%{FILEFLAGS}\\t%{FILEDIGESTALGO}\\t%{FILEDIGESTS}\\n]'

export const rpmFolder = (root: string): string | undefined =>
  FOLDERS.map(folder => join(root, folder)).find(folder =>
    ['rpmdb.sqlite', 'Packages', 'Packages.db'].some(file => existsSync(join(folder, file)))
  )

export class RpmDatabase implements PackageDatabase {
  readonly manager = 'rpm'
  readonly #folder: string

  /** @param folder of the database */
  constructor(folder: string) {
    this.#folder = folder
  }

  find(name: string): HostPackage | undefined {
    return this.#packages(['-q', '--qf', PACKAGE, '--', name])[0]
  }

  files(of: HostPackage): OwnedFile[] {
    return this.#ask(['-q', '--qf', FILES, '--', of.key]).flatMap(line => {
      const [path, flags, algorithm, hex] = line.split('\t')
      // Ghosts are made by scripts, and rpm prints "(none)" for a package without files.
      if (!path.startsWith('/') || Number(flags) & GHOST) return []
      const name = DIGEST_NAMES[algorithm] ?? 'md5'
      const digest = /^[0-9a-f]+$/.test(hex) ? { algorithm: name, hex } : undefined
      return [{ path, ...(digest && { digest }), isConfig: (Number(flags) & CONFIG) !== 0 }]
    })
  }

  dependencies(of: HostPackage): Dependencies {
    const wanted = this.#ask(['-q', '--requires', '--', of.key]).filter(text => !text.startsWith('rpmlib('))
    const packages = new Map<string, HostPackage>()
    const missing: string[] = []
    for (const requirement of new Set(wanted)) {
      // Versions of provided names were checked when the package was installed.
      const name = requirement.replace(/ (<|<=|=|>=|>) .*/, '')
      const [found] = this.#packages(['-q', '--whatprovides', '--qf', PACKAGE, '--', name])
      if (found === undefined) missing.push(requirement)
      else if (found.key !== of.key) packages.set(found.key, found)
    }
    return { packages: [...packages.values()], missing }
  }

  owners(_tree: HostTree, paths: PathBytes[]): Map<PathBytes, HostPackage> {
    const owners = new Map<PathBytes, HostPackage>()
    for (const path of paths) {
      // Arguments are text, like every path of a package.
      const text = pathToText(path)
      const [owner] =
        text === undefined ? [] : this.#packages(['-q', '-f', '--qf', PACKAGE, '--', `/${text}`])
      if (owner !== undefined) owners.set(path, owner)
    }
    return owners
  }

  /** Links of alternatives are %ghost files of their packages, and in no list. */
  alternatives(): PathBytes[] {
    return []
  }

  #packages(args: string[]): HostPackage[] {
    return this.#ask(args).flatMap(line => {
      const [name, version, architecture, summary = ''] = line.split('\t')
      // Other lines are messages: "package x is not installed", "no package provides x".
      if (architecture === undefined) return []
      const key = `${name}-${version.replace(/^\d+:/, '')}.${architecture}`
      return [{ name, version, architecture, key, summary }]
    })
  }

  /** Lines of the answer, as latin1. */
  #ask(args: string[]): string[] {
    try {
      return execFileSync('rpm', ['--dbpath', this.#folder, ...args], {
        maxBuffer: MOST_OUTPUT_BYTES,
        stdio: ['ignore', 'pipe', 'ignore'],
        env: { PATH: process.env.PATH, LC_ALL: 'C' }
      })
        .toString('latin1')
        .split('\n')
        .filter(line => line !== '')
    } catch (cause) {
      const { status, code, message } = cause as NodeJS.ErrnoException & { status?: number }
      // A query without results ends with a status of 1 or more, and a message.
      if (status != null) return []
      throw new StrataError('IO', { message: `rpm cannot be run: ${code ?? message}`, cause })
    }
  }
}
