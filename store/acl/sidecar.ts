import type { PathBytes } from '../values/index.ts'
import type { Acl } from './acl.ts'
import type { Attributes } from './attribute.ts'

/** The manifest of metadata that tar loses: ACLs and extended attributes of one tarball's entries (spec/sidecar.md). */

export interface SidecarEntry {
  /** Canonical path of a tarball's entry, '' is the root. */
  path: PathBytes
  /** Access ACL; left out if the permission bits say the same. */
  acl?: Acl
  /** Default ACL of a directory. */
  defaultAcl?: Acl
  /** Not empty, and without `system.posix_acl_*`. Entries may share one map; decodeSidecar makes them share it. */
  attributes?: Attributes
}

export interface Sidecar {
  /** In any order; decodeSidecar returns them by path. */
  entries: SidecarEntry[]
  /** Names of the ids at the time of the import. They are for people and are never used to decide access. */
  users: ReadonlyMap<number, PathBytes>
  groups: ReadonlyMap<number, PathBytes>
}
