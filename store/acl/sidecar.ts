import type { PathBytes } from '../values/index.ts'
import type { Acl } from './acl.ts'
import type { Attributes } from './attribute.ts'

/** The manifest of what tar loses: ACLs and extended attributes of one tarball's entries (spec/sidecar.md). */

export interface SidecarEntry {
  /** Canonical path of a tarball's entry, '' is the root. */
  path: PathBytes
  /** Access ACL; never one that the permission bits say already. */
  acl?: Acl
  /** Default ACL of a directory. */
  defaultAcl?: Acl
  /** Not empty, and without `system.posix_acl_*`. Entries may share one map; decodeSidecar makes them share it. */
  attributes?: Attributes
}

export interface Sidecar {
  /** In any order; decodeSidecar returns them by path. */
  entries: SidecarEntry[]
  /** Names that ids had when the layer was imported; for people, never for enforcing. */
  users: ReadonlyMap<number, PathBytes>
  groups: ReadonlyMap<number, PathBytes>
}
