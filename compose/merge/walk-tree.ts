import { aclAt, Kind } from '../../store/object/index.ts'
import type { PathBytes } from '../../store/values/index.ts'
import type { MergedTree } from './merged-tree.ts'

/** A name of the merged tree. */
export interface MergedEntry {
  /** Relative to the root; '' is the root. */
  path: PathBytes
  /** Number of the merged inode. */
  inode: number
  kind: number
  /** Ordinal of the layer that first brought the name, and whose module owns the path. */
  layer: number
}

/**
 * Every name, a directory before its content, names in byte order. The linker does not use it, because it makes
 * strings.
 */
export function* walk(tree: MergedTree): Generator<MergedEntry> {
  const root = { path: '', inode: 0, kind: Kind.directory, layer: tree.inodeLayer[0] }
  // Open directories with their remaining entries.
  const open: { path: PathBytes; next: number; end: number }[] = []
  const enter = ({ path, inode }: MergedEntry) =>
    open.push({
      path: path === '' ? '' : `${path}/`,
      next: tree.directoryFirst[inode],
      end: tree.directoryFirst[inode] + tree.directoryCount[inode]
    })
  yield root
  enter(root)
  for (let at = open.at(-1); at !== undefined; at = open.at(-1)) {
    if (at.next === at.end) {
      open.pop()
      continue
    }
    const i = at.next++
    const inode = tree.entryInode[i]
    const path = at.path + Buffer.from(entryName(tree, i)).toString('latin1')
    const entry = { path, inode, kind: tree.inodeKind[inode], layer: tree.entryLayer[i] }
    yield entry
    if (entry.kind === Kind.directory) enter(entry)
  }
}

/** Bytes of an entry's name, as a view. */
export function entryName(tree: MergedTree, entry: number): Uint8Array {
  const start = tree.entryNameStart[entry]
  return tree.layers[tree.entryLayer[entry]].index.names.subarray(start, start + tree.entryNameLength[entry])
}

/** The entry that names each directory except the root. */
export function directoryEntries({ inodeKind, entryInode }: MergedTree): Uint32Array {
  const entryOf = new Uint32Array(inodeKind.length)
  for (let entry = 0; entry < entryInode.length; entry++)
    if (inodeKind[entryInode[entry]] === Kind.directory) entryOf[entryInode[entry]] = entry
  return entryOf
}

/** A path with an ACL, and the metadata with which the ACL is read. */
export interface AclEntry {
  path: PathBytes
  kind: number
  mode: number
  uid: number
  gid: number
  /** Value of the kernel's attribute `system.posix_acl_access`. */
  access?: Uint8Array
  default?: Uint8Array
}

/** Every path with an ACL, in the order of `walk`. */
export function* pathsWithAcl(tree: MergedTree): Generator<AclEntry> {
  if (tree.layers.every(({ index }) => index.aclAccess.length === 0)) return
  for (const { path, inode, kind } of walk(tree)) {
    const { index } = tree.layers[tree.inodeLayer[inode]]
    const source = tree.inodeSource[inode]
    if (index.acl[source] === 0) continue
    yield {
      path,
      kind,
      mode: index.mode[source],
      uid: index.uid[source],
      gid: index.gid[source],
      access: aclAt(index, source, 'access'),
      default: aclAt(index, source, 'default')
    }
  }
}

export interface OwnedPath {
  path: PathBytes
  kind: number
  /** Ordinal of the module that first brought the path. */
  module: number
}

/** The module of each path. */
export function* pathOwners(tree: MergedTree): Generator<OwnedPath> {
  for (const { path, kind, layer } of walk(tree)) yield { path, kind, module: tree.layers[layer].module }
}

/** The entry of a path, without following links; undefined if the tree has none. */
export function findPath(tree: MergedTree, path: PathBytes): MergedEntry | undefined {
  let inode = 0
  let layer = tree.inodeLayer[0]
  for (const name of path === '' ? [] : path.split('/')) {
    const entry = findEntry(tree, inode, Buffer.from(name, 'latin1'))
    if (entry === undefined) return undefined
    inode = tree.entryInode[entry]
    layer = tree.entryLayer[entry]
  }
  return { path, inode, kind: tree.inodeKind[inode], layer }
}

function findEntry(tree: MergedTree, directory: number, name: Uint8Array): number | undefined {
  let low = tree.directoryFirst[directory]
  let high = low + tree.directoryCount[directory]
  while (low < high) {
    const middle = (low + high) >>> 1
    const order = Buffer.compare(entryName(tree, middle), name)
    if (order === 0) return middle
    if (order < 0) low = middle + 1
    else high = middle
  }
  return undefined
}
