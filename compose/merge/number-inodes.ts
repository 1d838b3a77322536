/**
 * Turns the growing tree into the tree that others read, with inodes numbered in the order in which they are reached.
 */
import { createsPath, Kind, type LayerIndex, NONE, WHITEOUT } from '../../store/object/index.ts'
import type { Findings, KeptDirectory, Override } from './conflicts.ts'
import { enlarged, type GrowingTree, ROOT } from './growing-tree.ts'
import { emptyTree, type MergedTree, type TreeColumns, trimmed } from './merged-tree.ts'
import type { LowerLinks } from './stack.ts'

/** Numbers all that can be reached from the root, and drops what was hidden. */
export function numberInodes(tree: GrowingTree, findings: Findings, lowerLinks: LowerLinks): MergedTree {
  return { ...new Numbering(tree).run(findings), lowerLinks }
}

class Numbering {
  readonly #tree: GrowingTree
  readonly #merged: TreeColumns
  readonly #directories: number[] = []
  readonly #inodeOf: Uint32Array
  /** Per layer and inode: number of names, where 2 means two or more; undefined if every inode has one. */
  readonly #names: (Uint8Array | undefined)[]
  #inodes = 0
  #entries = 0
  /** Directories to be listed, the next one last, and beside each its node; NONE for one in a folded directory. */
  readonly #ahead: number[] = []
  readonly #nodesAhead: number[] = []

  constructor(tree: GrowingTree) {
    this.#tree = tree
    this.#merged = emptyTree(tree.layers, tree.mostNodes, tree.mostEntries)
    this.#inodeOf = new Uint32Array(tree.mostNodes).fill(NONE)
    this.#names = tree.layers.map(({ index }) => countNames(index))
    for (const { layer, inode } of tree.linked) {
      this.#names[layer] ??= new Uint8Array(tree.layers[layer].index.kind.length).fill(1)
      this.#names[layer][inode] = 2 // links have further names in other layers
    }
  }

  run({ keptDirectories, overrides }: Findings): Omit<MergedTree, 'lowerLinks'> {
    const merged = this.#merged
    const ahead = this.#ahead
    ahead.push(this.#numberNode(ROOT))
    this.#nodesAhead.push(ROOT)
    for (let directory = ahead.pop(); directory !== undefined; directory = ahead.pop()) {
      const node = this.#nodesAhead.pop()!
      const others = ahead.length
      const first = this.#entries
      this.#directories.push(directory)
      merged.directoryFirst[directory] = first
      merged.inodeLinks[directory] += 2
      if (node === NONE || this.#tree.isFolded(node)) this.#listFolded(directory)
      else this.#listNode(directory, node)
      merged.directoryCount[directory] = this.#entries - first
      // so that they are popped in byte order
      reverseFrom(ahead, others)
      reverseFrom(this.#nodesAhead, others)
    }
    return {
      ...trimmed(merged, this.#inodes, this.#entries),
      directories: Uint32Array.from(this.#directories),
      keptDirectories: keptDirectories.sort(byPathAndModule),
      overrides: overrides.sort(byPathAndModule),
      addition: undefined
    }
  }

  #listNode(directory: number, node: number): void {
    const tree = this.#tree
    const merged = this.#merged
    merged.directoryIsWhole[directory] = tree.nodeIsWhole[node]
    const end = tree.nodeFirst[node] + tree.nodeCount[node]
    for (let entry = tree.nodeFirst[node]; entry < end; entry++) {
      const child = tree.entryNode[entry]
      const inode = this.#numberNode(child)
      merged.entryLayer[this.#entries] = tree.entryLayer[entry]
      merged.entryNameStart[this.#entries] = tree.entryNameStart[entry]
      merged.entryNameLength[this.#entries] = tree.entryNameLength[entry]
      merged.entryInode[this.#entries] = inode
      this.#entries++
      if (tree.nodeKind[child] === Kind.directory) this.#enter(directory, inode, child)
      else merged.inodeLinks[inode]++
    }
  }

  /** Lists a directory that only one layer has, as the layer has it. */
  #listFolded(directory: number): void {
    const merged = this.#merged
    const layer = merged.inodeLayer[directory]
    const { index } = this.#tree.layers[layer]
    const { kind, payload, entryCount, entryNameStart, entryNameLength, entryInode } = index
    const names = this.#names[layer]
    const source = merged.inodeSource[directory]
    merged.directoryIsWhole[directory] = Number(this.#tree.isOfItsLayer(layer, source))
    const end = payload[source] + entryCount[source]
    for (let entry = payload[source]; entry < end; entry++) {
      const child = entryInode[entry]
      if (!createsPath(index, child)) continue
      const inode =
        names === undefined || names[child] === 1
          ? this.#number(layer, child, kind[child])
          : this.#numberNode(this.#tree.admit(NONE, layer, entry))
      merged.entryLayer[this.#entries] = layer
      merged.entryNameStart[this.#entries] = entryNameStart[entry]
      merged.entryNameLength[this.#entries] = entryNameLength[entry]
      merged.entryInode[this.#entries] = inode
      this.#entries++
      if (kind[child] === Kind.directory) this.#enter(directory, inode, NONE)
      else merged.inodeLinks[inode]++
    }
  }

  #enter(directory: number, inode: number, node: number): void {
    this.#merged.inodeLinks[directory]++
    this.#merged.directoryParent[inode] = directory
    this.#ahead.push(inode)
    this.#nodesAhead.push(node)
  }

  #numberNode(node: number): number {
    const { nodeLayer, nodeInode, nodeKind } = this.#tree
    if (this.#inodeOf[node] === NONE)
      this.#inodeOf[node] = this.#number(nodeLayer[node], nodeInode[node], nodeKind[node])
    return this.#inodeOf[node]
  }

  #number(layer: number, source: number, kind: number): number {
    const inode = this.#inodes++
    this.#merged.inodeLayer[inode] = layer
    this.#merged.inodeSource[inode] = source
    this.#merged.inodeKind[inode] = kind
    return inode
  }
}

const byPathAndModule = (a: Override | KeptDirectory, b: Override | KeptDirectory): number =>
  a.path < b.path ? -1 : a.path > b.path ? 1 : a.upper - b.upper

function countNames({ kind, entryInode }: LayerIndex): Uint8Array | undefined {
  if (entryInode.length < kind.length) return undefined // every inode except the root has a name, and there are no further names
  const names = new Uint8Array(kind.length)
  for (let entry = 0; entry < entryInode.length; entry++) {
    const inode = entryInode[entry]
    if (inode !== WHITEOUT && names[inode] < 2) names[inode]++
  }
  return names
}

function reverseFrom(items: number[], start: number): void {
  for (let low = start, high = items.length - 1; low < high; low++, high--) {
    const item = items[low]
    items[low] = items[high]
    items[high] = item
  }
}

/**
 * Numbers a merged tree to which a layer was added that hides nothing. Old inodes keep their numbers and new ones
 * follow. Listings that the layer changed stand after all others and leave gaps.
 * @param tree made from `merged`
 */
export function numberAdded(merged: MergedTree, tree: GrowingTree): MergedTree {
  const known = merged.inodeKind.length
  const added: number[] = []
  for (let node = known; node < tree.nodes; node++)
    if (tree.nodeKind[node] === Kind.directory) {
      tree.unfold(node)
      added.push(node)
    }
  // Directories that the layer shares with others have new listings.
  const shared: number[] = []
  for (const directory of merged.directories)
    if (tree.nodeFirst[directory] >= merged.entryInode.length) shared.push(directory)
  const { nodes, entries } = tree
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
    overrides: merged.overrides,
    lowerLinks: merged.lowerLinks,
    addition: { base: merged, directories: [...shared, ...added] }
  }
  grown.directories.set(added, merged.directories.length)
  for (const directory of added) grown.inodeLinks[directory] = 2
  for (const directory of grown.addition.directories) countLinks(grown, directory, known)
  return grown
}

/** Counts names that lead to inodes from `known` on. */
function countLinks(tree: MergedTree, directory: number, known: number): void {
  const end = tree.directoryFirst[directory] + tree.directoryCount[directory]
  for (let entry = tree.directoryFirst[directory]; entry < end; entry++) {
    const inode = tree.entryInode[entry]
    if (inode < known) continue
    tree.inodeLinks[tree.inodeKind[inode] === Kind.directory ? directory : inode]++
  }
}
