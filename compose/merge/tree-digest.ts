/**
 * SHA-256 of all that the modules put into the tree, independent of compressors, block sizes and the division into
 * layers (spec/tree-digest.md). Two trees have one digest if and only if every name, type, mode, owner, time, size,
 * content, link, device, attribute, ACL and hard link is the same.
 *
 * Each directory has a hash of all below it. Hashes of directories that only one layer has are in the layer's index.
 */
import { Kind, listingHashOf, TreeHasher } from '../../store/object/index.ts'
import type { MergedTree } from './merged-tree.ts'

const MAGIC = 'strata tree 2\n'
const ROOT = 0

/** @returns 32 bytes */
export function treeDigest(tree: MergedTree): Buffer {
  const hasher = new TreeHasher()
  const root = hashOfRoot(hasher, tree)
  hasher.bytes(Buffer.from(MAGIC))
  addInode(hasher, tree, ROOT)
  hasher.bytes(root)
  addHardLinks(hasher, tree)
  return hasher.digest()
}

function hashOfRoot(hasher: TreeHasher, tree: MergedTree): Uint8Array {
  const { directories, directoryIsWhole } = tree
  const hashes = new Map<number, Uint8Array>()
  for (let i = directories.length - 1; i >= 0; i--) {
    const directory = directories[i]
    if (directoryIsWhole[directory] === 0) hashes.set(directory, hashListing(hasher, tree, directory, hashes))
  }
  return hashes.get(ROOT)!
}

/** @param hashes of those subdirectories that are not folded */
function hashListing(
  hasher: TreeHasher,
  tree: MergedTree,
  directory: number,
  hashes: Map<number, Uint8Array>
): Uint8Array {
  const { layers, entryInode, entryLayer, inodeKind, inodeLayer, inodeSource } = tree
  const end = tree.directoryFirst[directory] + tree.directoryCount[directory]
  for (let entry = tree.directoryFirst[directory]; entry < end; entry++) {
    if (layers[entryLayer[entry]].role === 'generated') continue
    const inode = entryInode[entry]
    addName(hasher, tree, entry)
    addInode(hasher, tree, inode)
    if (inodeKind[inode] === Kind.directory)
      hasher.bytes(hashes.get(inode) ?? listingHashOf(layers[inodeLayer[inode]].index, inodeSource[inode]))
  }
  return hasher.digest()
}

/**
 * Adds the names of inodes with several names: each with its directory and its inode, both numbered as the tree is
 * walked.
 */
function addHardLinks(hasher: TreeHasher, tree: MergedTree): void {
  const { layers, directories, directoryFirst, directoryCount, entryInode, inodeLayer } = tree
  const numbers = new Map<number, number>()
  let directoryNumber = 0
  for (const directory of directories) {
    if (layers[inodeLayer[directory]].role === 'generated') continue
    const end = directoryFirst[directory] + directoryCount[directory]
    let entry = nextLinked(tree, directoryFirst[directory], end)
    for (; entry < end; entry = nextLinked(tree, entry + 1, end)) {
      const inode = entryInode[entry]
      if (layers[inodeLayer[inode]].role === 'generated') continue
      if (!numbers.has(inode)) numbers.set(inode, numbers.size)
      hasher.u32(directoryNumber)
      addName(hasher, tree, entry)
      hasher.u32(numbers.get(inode)!)
    }
    directoryNumber++
  }
}

/** The first of the entries [first, end) whose inode has several names; `end` if there is none. */
function nextLinked({ entryInode, inodeKind, inodeLinks }: MergedTree, first: number, end: number): number {
  let entry = first
  while (
    entry < end &&
    (inodeLinks[entryInode[entry]] === 1 || inodeKind[entryInode[entry]] === Kind.directory)
  )
    entry++
  return entry
}

function addName(
  hasher: TreeHasher,
  { layers, entryLayer, entryNameStart, entryNameLength }: MergedTree,
  entry: number
): void {
  hasher.name(layers[entryLayer[entry]].index.names, entryNameStart[entry], entryNameLength[entry])
}

function addInode(hasher: TreeHasher, { layers, inodeLayer, inodeSource }: MergedTree, inode: number): void {
  hasher.inode(layers[inodeLayer[inode]].index, inodeSource[inode])
}
