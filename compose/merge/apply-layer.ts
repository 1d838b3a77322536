/**
 * Lays one layer over the tree that the layers below it made (spec/merge.md#rules). Every directory that both have is
 * a merge-join of two listings in byte order. Directories that only the layer has are taken over unchanged.
 *
 * A directory of the layer may meet a symbolic link of another module. It waits until the rest of the layer is in
 * place and then goes through the link, because the link's target may be in the same layer.
 */
import {
  createsPath,
  FLAG_ANEW,
  FLAG_HOLLOW,
  FLAG_IMPLICIT,
  FLAG_OPAQUE,
  Kind,
  type LayerIndex,
  NONE,
  WHITEOUT
} from '../../store/object/index.ts'
import type { PathBytes, WorkLimit } from '../../store/values/index.ts'
import { differences, KIND_NAME } from './compare.ts'
import type { Findings, Override } from './conflicts.ts'
import { type GrowingTree, ROOT } from './growing-tree.ts'
import { linkSteps, type Resolution, resolveDirectory } from './resolve-link.ts'
import type { SharedDirectories } from './shared-directories.ts'
import type { MergeOptions, StackLayer } from './stack.ts'

/** @param ordinal of the layer; the layers below it are already in the tree */
export function applyLayer(
  tree: GrowingTree,
  ordinal: number,
  options: MergeOptions,
  findings: Findings,
  shared: SharedDirectories
): void {
  new LayerPass(tree, ordinal, options, findings, shared).run()
}

/** A directory that waits to go through the link `name` in `directory` of the tree. */
interface Waiting {
  directory: number
  name: Uint8Array
  layerEntry: number
}

class LayerPass {
  readonly #tree: GrowingTree
  readonly #ordinal: number
  readonly #layer: StackLayer
  readonly #index: LayerIndex
  readonly #options: MergeOptions
  readonly #findings: Findings
  readonly #shared: SharedDirectories
  /** Pairs (node, directory inode) whose listings still have to be joined. */
  readonly #work: number[] = []
  readonly #waiting: Waiting[] = []
  /** Made when something waits: most layers go through no link. */
  #linkSteps!: WorkLimit

  constructor(
    tree: GrowingTree,
    ordinal: number,
    options: MergeOptions,
    findings: Findings,
    shared: SharedDirectories
  ) {
    this.#tree = tree
    this.#ordinal = ordinal
    this.#layer = tree.layers[ordinal]
    this.#index = this.#layer.index
    this.#options = options
    this.#findings = findings
    this.#shared = shared
  }

  run(): void {
    this.#meetDirectory(ROOT, 0)
    this.#joinListings()
    if (this.#waiting.length > 0) this.#goThroughLinks()
  }

  #goThroughLinks(): void {
    this.#linkSteps = linkSteps(this.#tree, this.#layer.name)
    // Going through one link may lead to another one, which is appended. Taking the first away each time would move the rest.
    let roomFor = this.#tree.mostEntries
    for (const next of this.#waiting) {
      this.#goThrough(next)
      this.#joinListings(this.#linkSteps)
      if (this.#tree.entries < 2 * roomFor) continue
      this.#tree.compact()
      roomFor = this.#tree.entries
    }
  }

  /** @param steps spent on names, where many links may lead to one directory of many names */
  #joinListings(steps?: WorkLimit): void {
    for (let inode = this.#work.pop(); inode !== undefined; inode = this.#work.pop()) {
      const directory = this.#work.pop()!
      this.#join(directory, inode)
      steps?.spend(this.#tree.nodeCount[directory])
    }
  }

  /** Makes the new listing of a directory: the tree's entries and the layer's, in byte order. */
  #join(directory: number, inode: number): void {
    const tree = this.#tree
    const index = this.#index
    tree.unfold(directory)
    const opaque = (index.flags[inode] & FLAG_OPAQUE) !== 0
    let below = tree.nodeFirst[directory]
    const belowEnd = below + tree.nodeCount[directory]
    let above = index.payload[inode]
    const aboveEnd = above + index.entryCount[inode]
    tree.reserve(belowEnd - below + aboveEnd - above)
    const first = tree.entries
    while (below < belowEnd || above < aboveEnd) {
      const order = below === belowEnd ? 1 : above === aboveEnd ? -1 : tree.compareName(below, index, above)
      if (order > 0) this.#letIn(directory, above)
      else if (opaque && !(order === 0 && this.#meetsOpenly(below, above))) {
        if (!this.#hides(directory, below, 'an opaque directory hides it')) tree.appendCopy(below)
        else if (order === 0) this.#letIn(directory, above)
      } else if (order === 0) this.#meet(directory, below, above)
      else tree.appendCopy(below)
      if (order <= 0) below++
      if (order >= 0) above++
    }
    tree.nodeFirst[directory] = first
    tree.nodeCount[directory] = tree.entries - first
  }

  /**
   * True if two entries of one name in an opaque directory are compared all the same, because they may be equal
   * files.
   */
  #meetsOpenly(below: number, above: number): boolean {
    if (this.#tree.entryLayer[below] === this.#ordinal) return true
    if (this.#isOwn(this.#ownerOf(below))) return false
    const inode = this.#index.entryInode[above]
    return inode === WHITEOUT || this.#index.kind[inode] !== Kind.directory
  }

  /** Handles a name that the directory does not have, or no longer has. */
  #letIn(directory: number, layerEntry: number): void {
    if (!createsPath(this.#index, this.#index.entryInode[layerEntry])) return
    const node = this.#tree.admit(directory, this.#ordinal, layerEntry)
    this.#tree.appendFromLayer(this.#ordinal, layerEntry, node)
  }

  /** Handles a name that both have. */
  #meet(directory: number, below: number, above: number): void {
    const tree = this.#tree
    const inode = this.#index.entryInode[above]
    if (inode === WHITEOUT) {
      if (!this.#hides(directory, below, 'a whiteout removes it')) tree.appendCopy(below)
      return
    }
    const node = tree.entryNode[below]
    const isDirectory = this.#index.kind[inode] === Kind.directory
    if (isDirectory && tree.nodeKind[node] === Kind.directory) {
      tree.appendCopy(below)
      this.#meetDirectory(node, inode)
    } else if (isDirectory && tree.nodeKind[node] === Kind.symlink && this.#passesLinks(below, inode)) {
      tree.appendCopy(below)
      this.#waiting.push({ directory, name: tree.entryName(below), layerEntry: above })
    } else if (this.#isHollow(inode)) tree.appendCopy(below)
    else if (this.#replaces(directory, below, inode)) this.#letIn(directory, above)
    else tree.appendCopy(below)
  }

  /** A directory over a directory: within a module the upper attributes win, between modules mostly the lower ones. */
  #meetDirectory(node: number, inode: number): void {
    const tree = this.#tree
    tree.touch(node)
    this.#work.push(node, inode)
    if (this.#layer.role === 'generated' || this.#index.flags[inode] & FLAG_IMPLICIT) return
    const below = tree.locatedNode(node)
    const owner = tree.layers[tree.nodeLayer[node]]
    if (this.#isOwn(owner) || below.index.flags[below.inode] & FLAG_IMPLICIT)
      tree.takeAttributes(node, this.#ordinal, inode)
    else this.#shared.meet(node, { layer: this.#ordinal, inode })
  }

  /**
   * True if a directory goes through the link below it. Within a module OCI's rule holds: remove the link, then
   * create the directory. But if no archive entry named the directory there is nothing to create, only a path to
   * follow. A whiteout beside it is about the link itself, whichever module brought it.
   */
  #passesLinks(below: number, inode: number): boolean {
    const flags = this.#index.flags[inode]
    if ((flags & FLAG_ANEW) !== 0) return false
    return !this.#isOwn(this.#ownerOf(below)) || (flags & FLAG_IMPLICIT) !== 0
  }

  #goThrough({ directory, name, layerEntry }: Waiting): void {
    const tree = this.#tree
    const inode = this.#index.entryInode[layerEntry]
    const entry = tree.find(directory, name)
    if (entry === NONE && this.#isHollow(inode)) return
    // Another directory of this layer that went through a link may have removed this link.
    if (entry === NONE) {
      this.#note(tree.pathOf(directory, name), this.#layer, 'a whiteout of its own layer removes the link')
      return
    }
    const node = tree.entryNode[entry]
    const found: Resolution =
      tree.nodeKind[node] === Kind.symlink
        ? resolveDirectory(tree, directory, node, this.#linkSteps)
        : tree.nodeKind[node] === Kind.directory
          ? { directory: node }
          : { fault: KIND_NAME[tree.nodeKind[node]] }
    if ('directory' in found) this.#meetDirectory(found.directory, inode)
    else if (
      !this.#isHollow(inode) &&
      this.#mayReplace(directory, entry, `a directory over ${found.fault}`)
    ) {
      tree.entryNode[entry] = tree.admit(directory, this.#ordinal, layerEntry)
      tree.entryLayer[entry] = this.#ordinal
      tree.entryNameStart[entry] = this.#index.entryNameStart[layerEntry]
    }
  }

  /** Handles every other pair than directory over directory. */
  #replaces(directory: number, below: number, inode: number): boolean {
    const owner = this.#ownerOf(below)
    if (this.#layer.role === 'generated') return false
    const inThisLayer = this.#tree.entryLayer[below] === this.#ordinal
    if (this.#isOwn(owner) && !inThisLayer) return true
    const lower = this.#tree.locatedNode(this.#tree.entryNode[below])
    const upper = this.#tree.located(this.#ordinal, inode)
    const what = differences(lower, upper)
    if (what.length === 0) return false
    if (what[0] !== 'type') return this.#mayReplace(directory, below, `differs in ${what.join(', ')}`)
    const [to, from] = [upper, lower].map(({ index, inode }) => KIND_NAME[index.kind[inode]])
    return this.#mayReplace(directory, below, `${to} over ${from}`)
  }

  /** True if a whiteout or an opaque directory removes the entry; it acts only on lower layers. */
  #hides(directory: number, below: number, reason: string): boolean {
    if (this.#layer.role === 'generated' || this.#tree.entryLayer[below] === this.#ordinal) return false
    return this.#isOwn(this.#ownerOf(below)) || this.#mayReplace(directory, below, reason)
  }

  /** True if the layer may replace an entry of another module; otherwise the conflict is noted. */
  #mayReplace(directory: number, below: number, reason: string): boolean {
    if (this.#layer.role === 'generated') return false
    // Within one module: one layer reaches the same path by its own name and through a link.
    const inThisLayer = this.#tree.entryLayer[below] === this.#ordinal
    const path = this.#tree.pathOf(directory, this.#tree.entryName(below))
    const by = inThisLayer
      ? undefined
      : this.#layer.replaces?.(path)
        ? 'replaces'
        : this.#options.onConflict === 'upper'
          ? '--on-conflict upper'
          : undefined
    if (by === undefined) this.#note(path, this.#ownerOf(below), reason)
    else
      this.#override(
        path,
        this.#ownerOf(below),
        reason,
        by,
        this.#tree.countNames(this.#tree.entryNode[below])
      )
    return by !== undefined
  }

  #note(path: PathBytes, { module: lower, name: lowerName }: StackLayer, reason: string): void {
    const { module: upper, name: upperName } = this.#layer
    this.#findings.conflicts.add({ path, lower, upper, lowerName, upperName, reason, isOfAccess: false })
  }

  #override(path: PathBytes, owner: StackLayer, reason: string, by: Override['by'], names: number): void {
    const [lower, upper] = [owner.module, this.#layer.module]
    this.#findings.overrides.push({ path, lower, upper, reason, by, names })
  }

  #ownerOf(entry: number): StackLayer {
    return this.#tree.layers[this.#tree.entryLayer[entry]]
  }

  #isHollow(inode: number): boolean {
    return (this.#index.flags[inode] & FLAG_HOLLOW) !== 0
  }

  #isOwn(owner: StackLayer): boolean {
    return owner.module === this.#layer.module || this.#layer.role === 'captured'
  }
}
