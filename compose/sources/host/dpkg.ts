/**
 * Reads dpkg's database as files (dpkg-query(1), dpkg(1) FILES, update-alternatives(1)), so dpkg need not be
 * installed.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isInstalled, type Paragraph, parseDeb822 } from '../../../store/package/index.ts'
import type { PathBytes } from '../../../store/values/index.ts'
import { readAlternatives } from './dpkg-alternatives.ts'
import type { HostTree } from './host-tree.ts'
import type { Dependencies, HostPackage, OwnedFile, PackageDatabase } from './package-database.ts'

export const DPKG_STATUS = 'var/lib/dpkg/status'

interface Installed extends HostPackage {
  fields: Paragraph
}

/** A file that one package renamed, so that another package can have its name. */
interface Diversion {
  from: PathBytes
  to: PathBytes
  /** The package that has the name now; `:` for a diversion made by hand. */
  by: string
}

export class DpkgDatabase implements PackageDatabase {
  readonly manager = 'dpkg'
  readonly #root: string
  readonly #byName = new Map<string, Installed[]>()
  readonly #providers = new Map<string, Installed[]>()
  readonly #diversions: Diversion[]

  /** @param root folder that holds `var/lib/dpkg` */
  constructor(root: string) {
    this.#root = root
    for (const fields of parseDeb822(readFileSync(join(root, DPKG_STATUS), 'utf8'))) this.#add(fields)
    this.#diversions = parseDiversions(this.#readIfThere('diversions'))
  }

  /** Finds a package by name; without an architecture, dpkg's own is taken. */
  find(name: string): Installed | undefined {
    const [stem, architecture] = name.split(':')
    const found = this.#byName.get(stem) ?? []
    if (architecture !== undefined && architecture !== 'any')
      return found.find(candidate => candidate.architecture === architecture)
    const [dpkg] = this.#byName.get('dpkg') ?? []
    return found.find(candidate => candidate.architecture === dpkg?.architecture) ?? found[0]
  }

  files(of: HostPackage): OwnedFile[] {
    const installed = of as Installed
    const digests = new Map<PathBytes, string>()
    for (const line of lines(this.#readInfo(installed, 'md5sums'))) {
      const sum = /^([0-9a-f]{32}) {2}(.+)$/.exec(line)
      if (sum !== null) digests.set(`/${sum[2]}`, sum[1])
    }
    const settings = new Set<PathBytes>()
    for (const line of (installed.fields.get('conffiles') ?? '').split('\n')) {
      const sum = /^(\/\S+) ([0-9a-f]{32})/.exec(line.trim())
      if (sum === null) continue
      const path = Buffer.from(sum[1], 'utf8').toString('latin1')
      digests.set(path, sum[2])
      settings.add(path)
    }
    return lines(this.#readInfo(installed, 'list')).map(listed => {
      const hex = digests.get(listed)
      return {
        path: this.#nameAfterDiversion(listed, installed.name),
        ...(hex !== undefined && { digest: { algorithm: 'md5', hex } }),
        isConfig: settings.has(listed)
      }
    })
  }

  dependencies(of: HostPackage): Dependencies {
    const { fields } = of as Installed
    const relations = ['pre-depends', 'depends'].flatMap(field => (fields.get(field) ?? '').split(','))
    const packages: HostPackage[] = []
    const missing: string[] = []
    for (const relation of relations.map(text => text.trim()).filter(text => text !== '')) {
      const found = this.#satisfying(relation)
      if (found === undefined) missing.push(relation.replace(/\s+/g, ' '))
      else packages.push(found)
    }
    return { packages, missing }
  }

  owners(tree: HostTree, paths: PathBytes[]): Map<PathBytes, HostPackage> {
    const wanted = new Set(paths)
    // dpkg may list as /lib/x what merged /usr has as /usr/lib/x. So the names of wanted paths are compared first.
    const names = new Set(paths.map(baseName))
    const owners = new Map<PathBytes, HostPackage>()
    for (const installed of [...this.#byName.values()].flat())
      for (const listed of lines(this.#readInfo(installed, 'list'))) {
        const path = this.#nameAfterDiversion(listed, installed.name)
        if (!names.has(baseName(path))) continue
        const real = tree.resolve(path, { followLast: false })
        if (real !== undefined && wanted.has(real)) owners.set(real, installed)
      }
    return owners
  }

  alternatives(tree: HostTree, paths: ReadonlySet<PathBytes>): PathBytes[] {
    return readAlternatives(this.#root, tree, paths)
  }

  #add(fields: Paragraph): void {
    const [name, version, architecture] = ['package', 'version', 'architecture'].map(field =>
      fields.get(field)
    )
    if (name === undefined || version === undefined) return
    if (!isInstalled(fields)) return
    const installed: Installed = {
      name,
      version,
      architecture,
      key: `${name}:${architecture}`,
      summary: fields.get('description')?.split('\n')[0],
      fields
    }
    push(this.#byName, name, installed)
    for (const provided of (fields.get('provides') ?? '').split(',')) {
      const stem = /^\s*([^\s(:]+)/.exec(provided)?.[1]
      if (stem !== undefined) push(this.#providers, stem, installed)
    }
  }

  /** The first alternative that is installed under its own name, otherwise one that is provided. */
  #satisfying(relation: string): HostPackage | undefined {
    const names = relation.split('|').map(text => /^\s*([^\s(]+)/.exec(text)?.[1] ?? '')
    for (const name of names) {
      const found = this.find(name)
      if (found !== undefined) return found
    }
    return names.flatMap(name => this.#providers.get(name.split(':')[0]) ?? [])[0]
  }

  #nameAfterDiversion(path: PathBytes, owner: string): PathBytes {
    const diversion = this.#diversions.find(({ from, by }) => from === path && by !== owner)
    return diversion?.to ?? path
  }

  #readInfo({ name, architecture }: HostPackage, kind: string): string {
    return (
      this.#readIfThere(`info/${name}:${architecture}.${kind}`) || this.#readIfThere(`info/${name}.${kind}`)
    )
  }

  /** Bytes as latin1; empty if the file does not exist. */
  #readIfThere(file: string): string {
    try {
      return readFileSync(join(this.#root, 'var/lib/dpkg', file), 'latin1')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
      throw error
    }
  }
}

const lines = (text: string): string[] => text.split('\n').filter(line => line !== '' && line !== '/.')

const baseName = (path: PathBytes): PathBytes => path.slice(path.lastIndexOf('/') + 1)

function push<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [item])
  else list.push(item)
}

/** Each diversion has three lines: from, to, package. */
function parseDiversions(text: string): Diversion[] {
  const all = text.split('\n')
  return Array.from({ length: Math.floor(all.length / 3) }, (_, i) => {
    const [from, to, by] = all.slice(3 * i, 3 * i + 3)
    return { from, to, by }
  })
}

/** True if there is a dpkg database. */
export function hasDpkg(root: string): boolean {
  try {
    return readdirSync(join(root, 'var/lib/dpkg')).includes('status')
  } catch {
    return false
  }
}
