/**
 * Finds paths that had an ACL in the former record and would have none now. tar and most other tools lose ACLs, and the
 * remaining mode gives the owning group all rights of the mask.
 */
import { readLayer, readSidecar } from '../contents/index.ts'
import type { Store } from '../files/index.ts'
import type { ModuleRecord } from '../module/index.ts'
import { type Inode, Kind, type LayerTree, type Marks } from '../object/index.ts'
import { type PathBytes, StrataError } from '../values/index.ts'
import { placementOf, placePath } from './placement.ts'

/** Rights of group and others. Without them, nobody gains rights by a lost ACL. */
const SHARED_RIGHTS = 0o077

export class FormerAcls {
  readonly #paths: readonly PathBytes[]

  /** @param paths in the layers' tree */
  constructor(paths: readonly PathBytes[]) {
    this.#paths = paths
  }

  /** Paths that a layer has, without an ACL. */
  droppedBy(tree: LayerTree, marks: ReadonlyMap<Inode, Marks>): PathBytes[] {
    return this.#paths.filter(path => {
      const inode = tree.find(path)
      if (inode === undefined || marks.get(inode)?.access !== undefined) return false
      return tree.kind.get(inode) !== Kind.symlink && (tree.mode.get(inode) & SHARED_RIGHTS) !== 0
    })
  }
}

/** Layers that the publisher may not read, or that are lost, are left out. @param record undefined: there was none */
export async function formerAclPaths(store: Store, record: ModuleRecord | undefined): Promise<FormerAcls> {
  const paths: PathBytes[] = []
  for (const id of record?.layers ?? [])
    try {
      const manifest = await readLayer(store, id)
      const placement = placementOf(manifest)
      for (const { path, acl } of (await readSidecar(store, manifest))?.entries ?? []) {
        const placed = acl && placePath(path, placement)
        if (placed !== undefined) paths.push(placed)
      }
    } catch (error) {
      if (!(error instanceof StrataError)) throw error
    }
  return new FormerAcls(paths)
}
