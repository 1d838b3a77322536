import type { PackageVersion } from '../../../store/module/index.ts'
import type { PathBytes } from '../../../store/values/index.ts'
import type { NotedDigest } from './host-members.ts'
import type { HostTree } from './host-tree.ts'

/** A package that is installed on the host. */
export interface HostPackage extends PackageVersion {
  /** What the database calls it where a name alone is not enough: `libc6:amd64`. */
  key: string
  summary?: string
}

/** A path that a package owns, as its package manager spells it. */
export interface OwnedFile {
  path: PathBytes
  digest?: NotedDigest
  /** A settings file: that somebody changed it is nothing special. */
  isConfig: boolean
}

export interface Dependencies {
  packages: HostPackage[]
  /** What is asked for and no installed package gives. */
  missing: string[]
}

/** What a host knows about its packages; read only, and nothing is asked of a network. */
export interface PackageDatabase {
  /** `dpkg`, `rpm`. */
  manager: string
  find(name: string): HostPackage | undefined
  files(of: HostPackage): OwnedFile[]
  dependencies(of: HostPackage): Dependencies
  /** Packages that own these paths, which are without links. */
  owners(tree: HostTree, paths: PathBytes[]): Map<PathBytes, HostPackage>
  /** Links by which programs among these paths are chosen (`/etc/alternatives`), as absolute paths. */
  alternatives(tree: HostTree, paths: ReadonlySet<PathBytes>): PathBytes[]
}
