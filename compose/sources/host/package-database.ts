import type { PackageVersion } from '../../../store/module/index.ts'
import type { PathBytes } from '../../../store/values/index.ts'
import type { NotedDigest } from './host-members.ts'
import type { HostTree } from './host-tree.ts'

/** A package that is installed on the host. */
export interface HostPackage extends PackageVersion {
  /** Name in the database, if the package name alone is ambiguous: `libc6:amd64`. */
  key: string
  summary?: string
}

/** A path that a package owns, as its package manager spells it. */
export interface OwnedFile {
  path: PathBytes
  digest?: NotedDigest
  /** True for a settings file, which users are expected to change. */
  isConfig: boolean
}

export interface Dependencies {
  packages: HostPackage[]
  /** Dependencies that no installed package meets. */
  missing: string[]
}

/** Read access to the packages of a host, without any network. */
export interface PackageDatabase {
  /** `dpkg`, `rpm`. */
  manager: string
  find(name: string): HostPackage | undefined
  files(of: HostPackage): OwnedFile[]
  dependencies(of: HostPackage): Dependencies
  /** Packages that own these paths, which are without links. */
  owners(tree: HostTree, paths: PathBytes[]): Map<PathBytes, HostPackage>
  /** Links that choose programs among these paths (`/etc/alternatives`), as absolute paths. */
  alternatives(tree: HostTree, paths: ReadonlySet<PathBytes>): PathBytes[]
}
