import type { KeptDirectory, Override } from './conflicts.ts'
import type { LowerLinks, StackLayer } from './stack.ts'

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
  /** Where an upper module's stands in place of a lower one's because somebody said so, sorted by path. */
  overrides: Override[]
  /** Where names that upper layers gave to inodes of lower ones lead. */
  lowerLinks: LowerLinks
  /** Of `addLayer`; undefined for a tree that was merged as a whole. */
  addition: Addition | undefined
}

/** What a layer was laid over, and the directories that it has. */
export interface Addition {
  base: MergedTree
  directories: number[]
}

export type TreeColumns = Omit<
  MergedTree,
  'directories' | 'keptDirectories' | 'overrides' | 'lowerLinks' | 'addition'
>

/** Columns of at most so many rows. */
export function emptyTree(layers: StackLayer[], inodes: number, entries: number): TreeColumns {
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

/** The rows that were filled. */
export function trimmed(tree: TreeColumns, inodes: number, entries: number): TreeColumns {
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

/** The same tree with all listings one after another, in the order of the directories. */
export function withoutGaps(tree: MergedTree): MergedTree {
  const { directories, directoryFirst, directoryCount } = tree
  const entries = directories.reduce((sum, directory) => sum + directoryCount[directory], 0)
  if (entries === tree.entryInode.length) return tree
  const packed = {
    ...tree,
    addition: undefined,
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
