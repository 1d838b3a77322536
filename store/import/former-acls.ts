/**
 * Finds paths that had an ACL in the former record and would have none now. tar and most other tools lose ACLs, and the
 * remaining mode gives the owning group all rights of the mask.
 */
import { readLayer, readSidecar } from '../contents/index.ts'
import type { Store } from '../files/index.ts'
import type { ModuleRecord } from '../module/index.ts'
import { aclAt, type Inode, Kind, type LayerIndex, type LayerTree, type Marks } from '../object/index.ts'
import { type PathBytes, StrataError } from '../values/index.ts'
import { pathsOf } from './index-paths.ts'
import { readLayerIndex } from './layer-object.ts'
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

  /** The same for a layer whose tree is a file. */
  droppedByIndex(index: LayerIndex): PathBytes[] {
    const wanted = new Set(this.#paths)
    const dropped: PathBytes[] = []
    for (const { inode, path } of pathsOf(index)) {
      const hasAcl = aclAt(index, inode, 'access') !== undefined
      const isShared = index.kind[inode] !== Kind.symlink && (index.mode[inode] & SHARED_RIGHTS) !== 0
      if (wanted.has(path) && !hasAcl && isShared) dropped.push(path)
    }
    return dropped
  }
}

/** Paths of a module that came from elsewhere, as `FormerAcls`: of the layers that the former record does not have. */
export async function aclsDroppedByLayers(
  store: Store,
  former: ModuleRecord | undefined,
  { layers }: Pick<ModuleRecord, 'layers'>
): Promise<PathBytes[]> {
  const added = layers.filter(id => former?.layers.some(other => other.equals(id)) !== true)
  if (former === undefined || added.length === 0) return []
  const acls = await formerAclPaths(store, former)
  const dropped: PathBytes[] = []
  for (const id of added) {
    dropped.push(...acls.droppedByIndex(await readLayerIndex(store, id)))
  }
  return dropped
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
