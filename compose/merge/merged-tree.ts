import { Kind, NONE } from '../../store/object/layer-index.ts'
import type { KeptDirectory } from './conflicts.ts'
import { type GrowingTree, ROOT } from './growing-tree.ts'
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
  /** The directories, each before those in it. */
  directories: Uint32Array
  /** Names in byte order within a directory, as bytes of the name pool of the layer that first brought them. */
  entryLayer: Uint16Array
  entryNameStart: Uint32Array
  entryNameLength: Uint8Array
  entryInode: Uint32Array
  /** Directories of upper modules that did not get their own attributes, sorted by path. */
  keptDirectories: KeptDirectory[]
}

/** Columns of at most so many rows; `numberInodes` and `numberAdded` fill them. */
function emptyTree(
  layers: StackLayer[],
  inodes: number,
  entries: number
): Omit<MergedTree, 'directories' | 'keptDirectories'> {
  return {
    layers,
    inodeLayer: new Uint16Array(inodes),
    inodeSource: new Uint32Array(inodes),
    inodeKind: new Uint8Array(inodes),
    inodeLinks: new Uint32Array(inodes),
    directoryFirst: new Uint32Array(inodes),
    directoryCount: new Uint32Array(inodes),
    directoryParent: new Uint32Array(inodes),
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
    )
  }
}

function reverseFrom(items: number[], start: number): void {
  for (let low = start, high = items.length - 1; low < high; low++, high--)
    [items[low], items[high]] = [items[high], items[low]]
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
    entryLayer: tree.entryLayer.subarray(0, entries),
    entryNameStart: tree.entryNameStart.subarray(0, entries),
    entryNameLength: tree.entryNameLength.subarray(0, entries),
    entryInode: tree.entryInode.subarray(0, entries)
  }
}

/**
 * A merged tree over which one more layer was laid that hides nothing: all keep their numbers, and what is new follows.
 * @param tree made from `merged`
 */
export function numberAdded(merged: MergedTree, tree: GrowingTree): MergedTree {
  const known = merged.inodeKind.length
  const added: number[] = []
  for (let node = known; node < tree.nodes; node++)
    if (tree.nodeKind[node] === Kind.directory) added.push(node)
  const directories = new Uint32Array(merged.directories.length + added.length)
  directories.set(merged.directories)
  directories.set(added, merged.directories.length)
  const grown = emptyTree(
    tree.layers,
    tree.nodes,
    directories.reduce((sum, directory) => sum + tree.nodeCount[directory], 0)
  )
  grown.inodeLayer.set(tree.nodeLayer.subarray(0, tree.nodes))
  grown.inodeSource.set(tree.nodeInode.subarray(0, tree.nodes))
  grown.inodeKind.set(tree.nodeKind.subarray(0, tree.nodes))
  grown.directoryCount.set(tree.nodeCount.subarray(0, tree.nodes))
  grown.directoryParent.set(tree.nodeParent.subarray(0, tree.nodes))
  copyListings(grown, tree, directories)
  grown.inodeLinks.set(merged.inodeLinks)
  for (const directory of added) grown.inodeLinks[directory] = 2
  for (const directory of directories)
    if (tree.nodeFirst[directory] >= merged.entryInode.length) countLinks(grown, directory, known)
  return { ...grown, directories, keptDirectories: merged.keptDirectories }
}

/** One after another, in the order of the directories: most stand so already, and are copied together. */
function copyListings(to: Columns, from: GrowingTree, directories: Uint32Array): void {
  let entries = 0
  let first = 0
  let end = 0
  const copyRun = () => {
    const at = entries - (end - first)
    to.entryLayer.set(from.entryLayer.subarray(first, end), at)
    to.entryNameStart.set(from.entryNameStart.subarray(first, end), at)
    to.entryNameLength.set(from.entryNameLength.subarray(first, end), at)
    to.entryInode.set(from.entryNode.subarray(first, end), at)
  }
  for (const directory of directories) {
    if (from.nodeFirst[directory] !== end) {
      copyRun()
      first = from.nodeFirst[directory]
      end = first
    }
    to.directoryFirst[directory] = entries
    entries += from.nodeCount[directory]
    end += from.nodeCount[directory]
  }
  copyRun()
}

/** Of names that lead to inodes from `known` on. */
function countLinks(tree: Columns, directory: number, known: number): void {
  const end = tree.directoryFirst[directory] + tree.directoryCount[directory]
  for (let entry = tree.directoryFirst[directory]; entry < end; entry++) {
    const inode = tree.entryInode[entry]
    if (inode < known) continue
    tree.inodeLinks[tree.inodeKind[inode] === Kind.directory ? directory : inode]++
  }
}
