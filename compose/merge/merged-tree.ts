import type { KeptDirectory, Override } from './conflicts.ts'
import type { LowerLinks, StackLayer } from './stack.ts'

/**
 * The result of a merge, as columns. Merged inodes are numbered from 0, the root, so that the children of a directory
 * have consecutive numbers. Directories are in depth-first order, and each numbers those of its children that no
 * earlier name led to. Inodes that `addLayer` brings have the numbers after all others.
 */
export interface MergedTree {
  layers: StackLayer[]
  /** Layer and inode from which each merged inode has its attributes and content. */
  inodeLayer: Uint16Array
  inodeSource: Uint32Array
  inodeKind: Uint8Array
  /** Number of names of the inode; for a directory 2 plus the number of its subdirectories. */
  inodeLinks: Uint32Array
  /** First entry and number of entries of a directory. */
  directoryFirst: Uint32Array
  directoryCount: Uint32Array
  /** Inode of a directory's parent; the root is its own parent. */
  directoryParent: Uint32Array
  /** 1 for a directory that is, with all below it, as the layer of its inode has it. */
  directoryIsWhole: Uint8Array
  /** The directories, each before those inside it. */
  directories: Uint32Array
  /**
   * Names in byte order within a directory, as bytes of the name pool of the layer that first brought them. After
   * `addLayer` some entries belong to no directory any more (`withoutGaps`).
   */
  entryLayer: Uint16Array
  entryNameStart: Uint32Array
  entryNameLength: Uint8Array
  entryInode: Uint32Array
  /** Directories of upper modules that did not get the upper attributes, sorted by path. */
  keptDirectories: KeptDirectory[]
  /** Paths where a flag or record let the upper module win, sorted by path. */
  overrides: Override[]
  /** Names that upper layers give to inodes of lower layers. */
  lowerLinks: LowerLinks
  /** Describes what `addLayer` did; undefined for a tree that was merged as a whole. */
  addition: Addition | undefined
}

/** The tree that a layer was added to, and the directories of the layer. */
export interface Addition {
  base: MergedTree
  directories: number[]
}

export type TreeColumns = Omit<
  MergedTree,
  'directories' | 'keptDirectories' | 'overrides' | 'lowerLinks' | 'addition'
>

/** Columns with room for so many rows. */
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

/** Keeps only the filled rows. */
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

/** The same tree, with all listings one after another in the order of the directories. */
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
