import { Kind, NONE } from '../../store/object/layer-index.ts'
import type { KeptDirectory } from './conflicts.ts'
import { type GrowingTree, ROOT } from './growing-tree.ts'
import type { StackLayer } from './stack.ts'

/**
 * The result of a merge, as columns. Merged inodes are numbered from 0, the root, so that a directory's children
 * follow each other: directories in depth-first order, each numbering what it holds and no name before it held.
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

/** What can be reached from the root, numbered; what was hidden on the way is left behind. */
export function numberInodes(tree: GrowingTree, keptDirectories: KeptDirectory[]): MergedTree {
  const reached = countReached(tree)
  const merged: MergedTree = {
    layers: tree.layers,
    inodeLayer: new Uint16Array(reached.inodes),
    inodeSource: new Uint32Array(reached.inodes),
    inodeKind: new Uint8Array(reached.inodes),
    inodeLinks: new Uint32Array(reached.inodes),
    directoryFirst: new Uint32Array(reached.inodes),
    directoryCount: new Uint32Array(reached.inodes),
    directoryParent: new Uint32Array(reached.inodes),
    directories: reached.directories,
    entryLayer: new Uint16Array(reached.entries),
    entryNameStart: new Uint32Array(reached.entries),
    entryNameLength: new Uint8Array(reached.entries),
    entryInode: new Uint32Array(reached.entries),
    keptDirectories: keptDirectories.sort((a, b) =>
      a.path < b.path ? -1 : a.path > b.path ? 1 : a.upper - b.upper
    )
  }
  fill(merged, tree)
  return merged
}

interface Reached {
  inodes: number
  entries: number
  /** Nodes here; `fill` puts their inodes in their place. */
  directories: Uint32Array
}

function countReached(tree: GrowingTree): Reached {
  const seen = new Uint8Array(tree.nodes)
  const directories: number[] = []
  const ahead = [ROOT]
  let inodes = 1
  let entries = 0
  for (let node = ahead.pop(); node !== undefined; node = ahead.pop()) {
    directories.push(node)
    const first = tree.nodeFirst[node]
    entries += tree.nodeCount[node]
    // Pushed backwards, so that they come back in byte order.
    for (let entry = first + tree.nodeCount[node] - 1; entry >= first; entry--) {
      const child = tree.entryNode[entry]
      if (seen[child] === 0) inodes++
      seen[child] = 1
      if (tree.nodeKind[child] === Kind.directory) ahead.push(child)
    }
  }
  return { inodes, entries, directories: Uint32Array.from(directories) }
}

function fill(merged: MergedTree, tree: GrowingTree): void {
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
  for (let i = 0; i < merged.directories.length; i++) {
    const node = merged.directories[i]
    const directory = inodeOf[node]
    merged.directories[i] = directory
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
      } else merged.inodeLinks[inode]++
    }
  }
}
