import { Kind, NONE } from '../../store/object/layer-index.ts'
import type { KeptDirectory } from './conflicts.ts'
import { enlarged, type GrowingTree, ROOT } from './growing-tree.ts'
import type { StackLayer } from './stack.ts'

/**
 * The result of a merge, as columns. Merged inodes are numbered from 0, the root, so that a directory's children
 * follow each other: directories in depth-first order, each numbering what it holds and no name before it held. What
 * `addLayer` brought has the numbers behind all others.
 */
export interface MergedTree {
  layers: StackLayer[]
  /** Layer and inode that give each merged inode its attributes and content. */
  inodeLayer: Uint16Array
  inodeSource: Uint32Array
  inodeKind: Uint8Array
  /** Names that lead to it; of a directory 2 and one for each directory in it. */
  inodeLinks: Uint32Array
  /** Directories: first entry and number of entries. */
  directoryFirst: Uint32Array
  directoryCount: Uint32Array
  /** Directories: inode of the one above; the root's is itself. */
  directoryParent: Uint32Array
  /** Directories: 1 for one that is, with all below it, as the layer of its inode has it. */
  directoryIsWhole: Uint8Array
  /** The directories, each before those in it. */
  directories: Uint32Array
  /**
   * Names in byte order within a directory, as bytes of the name pool of the layer that first brought them. After
   * `addLayer` some belong to no directory any more (`withoutGaps`).
   */
  entryLayer: Uint16Array
  entryNameStart: Uint32Array
  entryNameLength: Uint8Array
  entryInode: Uint32Array
  /** Directories of upper modules that did not get their own attributes, sorted by path. */
  keptDirectories: KeptDirectory[]
  /** What `addLayer` laid its layer over; undefined for a tree that was merged as a whole. */
  base: MergedTree | undefined
}

/** Columns of at most so many rows; `numberInodes` fills them. */
function emptyTree(
  layers: StackLayer[],
  inodes: number,
  entries: number
): Omit<MergedTree, 'directories' | 'keptDirectories' | 'base'> {
  return {
    layers,
    inodeLayer: new Uint16Array(inodes),
    inodeSource: new Uint32Array(inodes),
    inodeKind: new Uint8Array(inodes),
    inodeLinks: new Uint32Array(inodes),
    directoryFirst: new Uint32Array(inodes),
    directoryCount: new Uint32Array(inodes),
    directoryParent: new Uint32Array(inodes),
    directoryIsWhole: new Uint8Array(inodes),
    entryLayer: new Uint16Array(entries),
    entryNameStart: new Uint32Array(entries),
    entryNameLength: new Uint8Array(entries),
    entryInode: new Uint32Array(entries)
  }
}

/** What can be reached from the root, numbered; what was hidden on the way is left behind. */
export function numberInodes(tree: GrowingTree, keptDirectories: KeptDirectory[]): MergedTree {
  const merged = emptyTree(tree.layers, tree.nodes, tree.entries)
  const directories: number[] = []
  const inodeOf = new Uint32Array(tree.nodes).fill(NONE)
  let inodes = 0
  let entries = 0
  const number = (node: number) => {
    const inode = inodes++
    inodeOf[node] = inode
    merged.inodeLayer[inode] = tree.nodeLayer[node]
    merged.inodeSource[inode] = tree.nodeInode[node]
    merged.inodeKind[inode] = tree.nodeKind[node]
    return inode
  }
  number(ROOT)
  const ahead = [ROOT]
  for (let node = ahead.pop(); node !== undefined; node = ahead.pop()) {
    const directory = inodeOf[node]
    const others = ahead.length
    directories.push(directory)
    merged.directoryFirst[directory] = entries
    merged.directoryCount[directory] = tree.nodeCount[node]
    merged.directoryIsWhole[directory] = tree.nodeIsWhole[node]
    merged.inodeLinks[directory] += 2
    const end = tree.nodeFirst[node] + tree.nodeCount[node]
    for (let entry = tree.nodeFirst[node]; entry < end; entry++, entries++) {
      const child = tree.entryNode[entry]
      const inode = inodeOf[child] === NONE ? number(child) : inodeOf[child]
      merged.entryLayer[entries] = tree.entryLayer[entry]
      merged.entryNameStart[entries] = tree.entryNameStart[entry]
      merged.entryNameLength[entries] = tree.entryNameLength[entry]
      merged.entryInode[entries] = inode
      if (tree.nodeKind[child] === Kind.directory) {
        merged.inodeLinks[directory]++
        merged.directoryParent[inode] = directory
        ahead.push(child)
      } else merged.inodeLinks[inode]++
    }
    reverseFrom(ahead, others) // so that they come back in byte order
  }
  return {
    ...trimmed(merged, inodes, entries),
    directories: Uint32Array.from(directories),
    keptDirectories: keptDirectories.sort((a, b) =>
      a.path < b.path ? -1 : a.path > b.path ? 1 : a.upper - b.upper
    ),
    base: undefined
  }
}

function reverseFrom(items: number[], start: number): void {
  for (let low = start, high = items.length - 1; low < high; low++, high--) {
    const item = items[low]
    items[low] = items[high]
    items[high] = item
  }
}

type Columns = ReturnType<typeof emptyTree>

function trimmed(tree: Columns, inodes: number, entries: number): Columns {
  return {
    layers: tree.layers,
    inodeLayer: tree.inodeLayer.subarray(0, inodes),
    inodeSource: tree.inodeSource.subarray(0, inodes),
    inodeKind: tree.inodeKind.subarray(0, inodes),
    inodeLinks: tree.inodeLinks.subarray(0, inodes),
    directoryFirst: tree.directoryFirst.subarray(0, inodes),
    directoryCount: tree.directoryCount.subarray(0, inodes),
    directoryParent: tree.directoryParent.subarray(0, inodes),
    directoryIsWhole: tree.directoryIsWhole.subarray(0, inodes),
    entryLayer: tree.entryLayer.subarray(0, entries),
    entryNameStart: tree.entryNameStart.subarray(0, entries),
    entryNameLength: tree.entryNameLength.subarray(0, entries),
    entryInode: tree.entryInode.subarray(0, entries)
  }
}

/**
 * A merged tree over which one more layer was laid that hides nothing: all keep their numbers, and what is new follows.
 * Listings that the layer added to stand behind all others, and leave gaps.
 * @param tree made from `merged`
 */
export function numberAdded(merged: MergedTree, tree: GrowingTree): MergedTree {
  const { nodes, entries } = tree
  const known = merged.inodeKind.length
  const added: number[] = []
  for (let node = known; node < nodes; node++) if (tree.nodeKind[node] === Kind.directory) added.push(node)
  const grown = {
    layers: tree.layers,
    inodeLayer: tree.nodeLayer.subarray(0, nodes),
    inodeSource: tree.nodeInode.subarray(0, nodes),
    inodeKind: tree.nodeKind.subarray(0, nodes),
    inodeLinks: enlarged(merged.inodeLinks, new Uint32Array(nodes)),
    directoryFirst: tree.nodeFirst.subarray(0, nodes),
    directoryCount: tree.nodeCount.subarray(0, nodes),
    directoryParent: tree.nodeParent.subarray(0, nodes),
    directoryIsWhole: tree.nodeIsWhole.subarray(0, nodes),
    directories: enlarged(merged.directories, new Uint32Array(merged.directories.length + added.length)),
    entryLayer: tree.entryLayer.subarray(0, entries),
    entryNameStart: tree.entryNameStart.subarray(0, entries),
    entryNameLength: tree.entryNameLength.subarray(0, entries),
    entryInode: tree.entryNode.subarray(0, entries),
    keptDirectories: merged.keptDirectories,
    base: merged
  }
  grown.directories.set(added, merged.directories.length)
  for (const directory of added) grown.inodeLinks[directory] = 2
  for (const directory of grown.directories)
    if (isRelisted(grown, merged, directory)) countLinks(grown, directory, known)
  return grown
}

/** Whether a directory got a listing from `addLayer`. */
const isRelisted = ({ directoryFirst }: MergedTree, base: MergedTree, directory: number): boolean =>
  directoryFirst[directory] >= base.entryInode.length

/** Directories that the layer of `addLayer` has, and those above them: 1 by their inode. */
export function changedByAddition(tree: MergedTree, base: MergedTree): Uint8Array {
  const isChanged = new Uint8Array(tree.inodeKind.length)
  for (const directory of tree.directories)
    if (isRelisted(tree, base, directory))
      for (let at = directory; isChanged[at] === 0; at = tree.directoryParent[at]) isChanged[at] = 1
  return isChanged
}

/** Of names that lead to inodes from `known` on. */
function countLinks(tree: MergedTree, directory: number, known: number): void {
  const end = tree.directoryFirst[directory] + tree.directoryCount[directory]
  for (let entry = tree.directoryFirst[directory]; entry < end; entry++) {
    const inode = tree.entryInode[entry]
    if (inode < known) continue
    tree.inodeLinks[tree.inodeKind[inode] === Kind.directory ? directory : inode]++
  }
}

/** The same tree with all listings one after another, in the order of the directories. */
export function withoutGaps(tree: MergedTree): MergedTree {
  const { directories, directoryFirst, directoryCount } = tree
  const entries = directories.reduce((sum, directory) => sum + directoryCount[directory], 0)
  if (entries === tree.entryInode.length) return tree
  const packed = {
    ...tree,
    base: undefined,
    directoryFirst: directoryFirst.slice(),
    entryLayer: new Uint16Array(entries),
    entryNameStart: new Uint32Array(entries),
    entryNameLength: new Uint8Array(entries),
    entryInode: new Uint32Array(entries)
  }
  let next = 0
  for (const directory of directories) {
    const first = directoryFirst[directory]
    const end = first + directoryCount[directory]
    packed.directoryFirst[directory] = next
    for (const column of ['entryLayer', 'entryNameStart', 'entryNameLength', 'entryInode'] as const)
      packed[column].set(tree[column].subarray(first, end), next)
    next += end - first
  }
  return packed
}
