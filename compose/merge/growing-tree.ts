import { createsPath, Kind, type LayerIndex, NONE } from '../../store/object/index.ts'
import type { PathBytes } from '../../store/values/index.ts'
import type { Located } from './compare.ts'
import { directoriesWithLinks } from './directories-with-links.ts'
import type { MergedTree } from './merged-tree.ts'
import type { InodeOfLayer, StackLayer } from './stack.ts'

export const ROOT = 0

/** Replaced listings up to this size are not worth a walk: 1 Mi entries take 11 MB. */
const SLACK_ENTRIES = 1 << 20

/**
 * The tree while layers are merged. All data is in columns: 500,000 inodes take some 30 MB and no objects. A node is
 * an inode of a layer that is part of the tree; an entry is a name in a directory.
 *
 * A directory whose listing changes gets a new listing at the end of the entry columns, and the old one stays until
 * `compact`. A directory that only one layer has stays folded: it has no listing and its content no nodes, because
 * the layer has both.
 */
export class GrowingTree {
  readonly layers: StackLayer[]
  /** Number of nodes. */
  nodes = 0
  /** Layer and inode that give the attributes and the content. */
  readonly nodeLayer: Uint16Array
  readonly nodeInode: Uint32Array
  readonly nodeKind: Uint8Array
  /** Listing and parent of directories, and their names in `nameLayer`'s name pool. */
  readonly nodeFirst: Uint32Array
  readonly nodeCount: Uint32Array
  readonly nodeParent: Uint32Array
  /**
   * Of a folded directory, the inode in the layer that first named it; NONE for all other nodes. An upper layer may give
   * the directory other attributes.
   */
  readonly #foldedInode: Uint32Array
  /** 1 for a directory that is, with all below it, as its layer has it, because no other layer has a name in it. */
  readonly nodeIsWhole: Uint8Array
  readonly nameLayer: Uint16Array
  readonly nameStart: Uint32Array
  readonly nameLength: Uint8Array

  /** Number of entries, including those of replaced listings. */
  entries = 0
  /** The layer that first brought the name, and whose name pool holds it. */
  entryLayer: Uint16Array
  entryNameStart: Uint32Array
  entryNameLength: Uint8Array
  entryNode: Uint32Array

  /** Per layer: the node of each inode that is in the tree, where the names of hard links meet. */
  readonly #nodeOf: Uint32Array[] = []
  /**
   * The directories of a layer that hold a link to a lower layer, at any depth; undefined for a layer without such
   * links.
   */
  readonly #withLinks: (Uint8Array | undefined)[] = []
  /** Links of upper layers, and the inodes of lower layers that they lead to. */
  readonly linked: InodeOfLayer[] = []

  /**
   * @param nodes most nodes that the tree can have
   * @param entries first capacity of the entry columns
   */
  private constructor(layers: StackLayer[], nodes: number, entries: number) {
    this.layers = layers
    this.nodeLayer = new Uint16Array(nodes)
    this.nodeInode = new Uint32Array(nodes)
    this.nodeKind = new Uint8Array(nodes)
    this.nodeFirst = new Uint32Array(nodes)
    this.nodeCount = new Uint32Array(nodes)
    this.nodeParent = new Uint32Array(nodes)
    this.#foldedInode = new Uint32Array(nodes).fill(NONE)
    this.nodeIsWhole = new Uint8Array(nodes)
    this.nameLayer = new Uint16Array(nodes)
    this.nameStart = new Uint32Array(nodes)
    this.nameLength = new Uint8Array(nodes)
    this.entryLayer = new Uint16Array(entries)
    this.entryNameStart = new Uint32Array(entries)
    this.entryNameLength = new Uint8Array(entries)
    this.entryNode = new Uint32Array(entries)
  }

  /** Upper bound of the number of nodes. */
  get mostNodes(): number {
    return this.nodeKind.length
  }

  /** Upper bound of the number of names: all names of the layers. */
  get mostEntries(): number {
    return this.layers.reduce((sum, { index }) => sum + index.entryInode.length, 0)
  }

  /** A tree that holds the root of the first layer. */
  static begin(layers: StackLayer[]): GrowingTree {
    const total = (count: (layer: StackLayer) => number) =>
      layers.reduce((sum, layer) => sum + count(layer), 0)
    const nodes = total(({ index }) => index.kind.length)
    const tree = new GrowingTree(
      layers,
      nodes,
      total(({ index }) => index.entryInode.length)
    )
    tree.addNode(0, 0)
    return tree
  }

  /**
   * Continues a merged tree for one more layer, which hides nothing; the nodes are the inodes of the tree. Paths are
   * not known.
   * @param layers those of the tree, and the new one
   */
  static from(merged: MergedTree, layers: StackLayer[]): GrowingTree {
    const added = layers[layers.length - 1].index
    const nodes = merged.inodeKind.length
    const entries = merged.entryInode.length
    const tree = new GrowingTree(layers, nodes + added.kind.length, Math.ceil(1.1 * entries))
    tree.nodes = nodes
    tree.nodeLayer.set(merged.inodeLayer)
    tree.nodeInode.set(merged.inodeSource)
    tree.nodeKind.set(merged.inodeKind)
    tree.nodeFirst.set(merged.directoryFirst)
    tree.nodeCount.set(merged.directoryCount)
    tree.nodeParent.set(merged.directoryParent)
    tree.nodeIsWhole.set(merged.directoryIsWhole)
    tree.entries = entries
    tree.entryLayer.set(merged.entryLayer)
    tree.entryNameStart.set(merged.entryNameStart)
    tree.entryNameLength.set(merged.entryNameLength)
    tree.entryNode.set(merged.entryInode)
    return tree
  }

  addNode(layer: number, inode: number): number {
    const node = this.nodes++
    this.nodeLayer[node] = layer
    this.nodeInode[node] = inode
    this.nodeKind[node] = this.layers[layer].index.kind[inode]
    return node
  }

  /** Gives a directory the attributes that a layer has for it. */
  takeAttributes(node: number, layer: number, inode: number): void {
    this.nodeLayer[node] = layer
    this.nodeInode[node] = inode
  }

  /**
   * Returns the node of an entry of a layer, and makes one if there is none.
   * @param directory that holds the name
   */
  admit(directory: number, layer: number, layerEntry: number): number {
    const { index } = this.layers[layer]
    const inode = index.entryInode[layerEntry]
    const known = this.#nodesOf(layer)[inode]
    if (known !== NONE) return known
    const node = this.#nodeFor(layer, inode)
    if (index.kind[inode] === Kind.directory) this.#placeDirectory(node, directory, layer, layerEntry)
    return node
  }

  #nodesOf(layer: number): Uint32Array {
    this.#nodeOf[layer] ??= new Uint32Array(this.layers[layer].index.kind.length).fill(NONE)
    return this.#nodeOf[layer]
  }

  #nodeFor(layer: number, inode: number): number {
    const nodeOf = this.#nodesOf(layer)
    if (nodeOf[inode] === NONE) nodeOf[inode] = this.addNode(layer, inode)
    return nodeOf[inode]
  }

  /** Gives the links of a layer to lower layers the nodes of their targets. Called before the layer is merged. */
  joinLinks(layer: number, links: ReadonlyMap<number, InodeOfLayer>): void {
    for (const [inode, lower] of links) {
      this.#nodesOf(layer)[inode] = this.#nodeFor(lower.layer, lower.inode)
      this.linked.push({ layer, inode }, lower)
    }
    this.#withLinks[layer] = directoriesWithLinks(this.layers[layer].index)
  }

  /** The inode itself, or for a link to a lower layer the inode that it leads to. */
  located(layer: number, inode: number): Located {
    const node = this.layers[layer].index.kind[inode] === Kind.hardlink ? this.#nodeOf[layer][inode] : NONE
    return node === NONE ? { index: this.layers[layer].index, inode } : this.locatedNode(node)
  }

  locatedNode(node: number): Located {
    return { index: this.layers[this.nodeLayer[node]].index, inode: this.nodeInode[node] }
  }

  /** True if the layer's own hashes describe everything below the directory. */
  isOfItsLayer(layer: number, directory: number): boolean {
    return this.#withLinks[layer]?.[directory] !== 1
  }

  /** Notes the place of a new directory whose whole content comes from its layer. */
  #placeDirectory(node: number, parent: number, layer: number, layerEntry: number): void {
    const { index } = this.layers[layer]
    const inode = index.entryInode[layerEntry]
    this.nodeIsWhole[node] = Number(this.isOfItsLayer(layer, inode))
    this.#foldedInode[node] = inode
    this.nodeParent[node] = parent
    this.nameLayer[node] = layer
    this.nameStart[node] = index.entryNameStart[layerEntry]
    this.nameLength[node] = index.entryNameLength[layerEntry]
  }

  isFolded(directory: number): boolean {
    return this.#foldedInode[directory] !== NONE
  }

  /**
   * Gives a directory a listing of its own: that of its layer, without whiteouts, which have nothing to hide in it.
   * Not to be called while another listing is being made.
   */
  unfold(directory: number): void {
    if (!this.isFolded(directory)) return
    const layer = this.nameLayer[directory]
    const { index } = this.layers[layer]
    const inode = this.#foldedInode[directory]
    const end = index.payload[inode] + index.entryCount[inode]
    this.reserve(index.entryCount[inode])
    const first = this.entries
    for (let entry = index.payload[inode]; entry < end; entry++)
      if (createsPath(index, index.entryInode[entry]))
        this.appendFromLayer(layer, entry, this.admit(directory, layer, entry))
    this.#foldedInode[directory] = NONE
    this.nodeFirst[directory] = first
    this.nodeCount[directory] = this.entries - first
  }

  /** Marks a directory that another layer also has. */
  touch(directory: number): void {
    for (let node = directory; this.nodeIsWhole[node] === 1; node = this.nodeParent[node])
      this.nodeIsWhole[node] = 0
  }

  /** Makes room for a listing of at most `count` entries. */
  reserve(count: number): void {
    const wanted = this.entries + count
    if (wanted <= this.entryNode.length) return
    const capacity = Math.max(wanted, Math.ceil(this.entryNode.length * 1.5))
    this.entryLayer = enlarged(this.entryLayer, new Uint16Array(capacity))
    this.entryNameStart = enlarged(this.entryNameStart, new Uint32Array(capacity))
    this.entryNameLength = enlarged(this.entryNameLength, new Uint8Array(capacity))
    this.entryNode = enlarged(this.entryNode, new Uint32Array(capacity))
  }

  /** Appends an entry of a layer. Room must be reserved. */
  appendFromLayer(layer: number, layerEntry: number, node: number): void {
    const { index } = this.layers[layer]
    const entry = this.entries++
    this.entryLayer[entry] = layer
    this.entryNameStart[entry] = index.entryNameStart[layerEntry]
    this.entryNameLength[entry] = index.entryNameLength[layerEntry]
    this.entryNode[entry] = node
  }

  /** Appends an entry of an older listing again. Room must be reserved. */
  appendCopy(from: number): void {
    const entry = this.entries++
    this.entryLayer[entry] = this.entryLayer[from]
    this.entryNameStart[entry] = this.entryNameStart[from]
    this.entryNameLength[entry] = this.entryNameLength[from]
    this.entryNode[entry] = this.entryNode[from]
  }

  /** Removes replaced listings once they take more room than those in use. */
  compact(): void {
    if (this.entries < SLACK_ENTRIES) return
    const directories = this.#unfolded()
    const used = directories.reduce((sum, node) => sum + this.nodeCount[node], 0)
    if (this.entries < 2 * used + SLACK_ENTRIES) return
    // In the order of their place, so that nothing is overwritten before it is moved.
    directories.sort((a, b) => this.nodeFirst[a] - this.nodeFirst[b])
    this.entries = 0
    for (const node of directories) {
      const from = this.nodeFirst[node]
      this.nodeFirst[node] = this.entries
      for (let i = 0; i < this.nodeCount[node]; i++) this.appendCopy(from + i)
    }
  }

  /** Directories with a listing of their own. */
  #unfolded(): number[] {
    const found = [ROOT]
    for (let i = 0; i < found.length; i++) {
      const end = this.nodeFirst[found[i]] + this.nodeCount[found[i]]
      for (let entry = this.nodeFirst[found[i]]; entry < end; entry++) {
        const node = this.entryNode[entry]
        if (this.nodeKind[node] === Kind.directory && !this.isFolded(node)) found.push(node)
      }
    }
    return found
  }

  /** Entry of a directory with this name, or NONE. */
  find(directory: number, name: Uint8Array): number {
    this.unfold(directory)
    let low = this.nodeFirst[directory]
    let high = low + this.nodeCount[directory]
    while (low < high) {
      const middle = (low + high) >>> 1
      const order = Buffer.compare(this.entryName(middle), name)
      if (order === 0) return middle
      if (order < 0) low = middle + 1
      else high = middle
    }
    return NONE
  }

  /**
   * Compares the name of an entry with a name in a layer, as bytes. This is the inner loop of a merge, so it makes no
   * views.
   */
  compareName(
    entry: number,
    { names: right, entryNameStart, entryNameLength }: LayerIndex,
    layerEntry: number
  ): number {
    const left = this.layers[this.entryLayer[entry]].index.names
    const leftStart = this.entryNameStart[entry]
    const rightStart = entryNameStart[layerEntry]
    const common = Math.min(this.entryNameLength[entry], entryNameLength[layerEntry])
    for (let i = 0; i < common; i++) {
      const order = left[leftStart + i] - right[rightStart + i]
      if (order !== 0) return order
    }
    return this.entryNameLength[entry] - entryNameLength[layerEntry]
  }

  entryName(entry: number): Uint8Array {
    const start = this.entryNameStart[entry]
    return this.layers[this.entryLayer[entry]].index.names.subarray(
      start,
      start + this.entryNameLength[entry]
    )
  }

  /** Number of names that disappear with a node: its own, and all below it. */
  countNames(node: number): number {
    let names = 1
    const nodes = [node]
    for (let at = nodes.pop(); at !== undefined; at = nodes.pop()) {
      if (this.nodeKind[at] !== Kind.directory) continue
      if (this.isFolded(at)) {
        names += namesBelow(this.layers[this.nameLayer[at]].index, this.#foldedInode[at])
        continue
      }
      names += this.nodeCount[at]
      const end = this.nodeFirst[at] + this.nodeCount[at]
      for (let entry = this.nodeFirst[at]; entry < end; entry++) nodes.push(this.entryNode[entry])
    }
    return names
  }

  /** Path for messages and `replaces`. Built by climbing, so only paths that are needed cost time. */
  pathOf(directory: number, name?: Uint8Array): PathBytes {
    const parts = name === undefined ? [] : [text(name)]
    for (let node = directory; node !== ROOT; node = this.nodeParent[node]) {
      const start = this.nameStart[node]
      const { names } = this.layers[this.nameLayer[node]].index
      parts.push(text(names.subarray(start, start + this.nameLength[node])))
    }
    return parts.reverse().join('/')
  }
}

/** Number of names below a directory of a layer. */
function namesBelow(index: LayerIndex, directory: number): number {
  let names = 0
  const directories = [directory]
  for (let at = directories.pop(); at !== undefined; at = directories.pop()) {
    const end = index.payload[at] + index.entryCount[at]
    for (let entry = index.payload[at]; entry < end; entry++) {
      const inode = index.entryInode[entry]
      if (!createsPath(index, inode)) continue
      names++
      if (index.kind[inode] === Kind.directory) directories.push(inode)
    }
  }
  return names
}

const text = (bytes: Uint8Array) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')

/** @param to at least as long as `from` */
export function enlarged<T extends Uint8Array | Uint16Array | Uint32Array>(from: T, to: T): T {
  to.set(from)
  return to
}
