/**
 * Decides about directories that a module shares with lower modules once all layers of the module are in place,
 * because an upper layer of the module may correct the attributes of a lower one (spec/merge.md#fewer).
 */
import { type Difference, metadataDifferences } from './compare.ts'
import type { Findings, Override } from './conflicts.ts'
import { admitsFewer, type Fewer } from './directory-rule.ts'
import { type GrowingTree, ROOT } from './growing-tree.ts'
import type { MergeOptions, StackLayer } from './stack.ts'

/** A directory as a layer of the module has it. */
interface Named {
  layer: number
  inode: number
}

export class SharedDirectories {
  readonly #tree: GrowingTree
  readonly #options: MergeOptions
  readonly #findings: Findings
  /** By node. The node has the attributes of a lower module until it is decided. */
  readonly #named = new Map<number, Named>()

  constructor(tree: GrowingTree, options: MergeOptions, findings: Findings) {
    this.#tree = tree
    this.#options = options
    this.#findings = findings
  }

  /** Notes a directory of a layer that has the attributes of a lower module. The module's last layer counts. */
  meet(node: number, named: Named): void {
    this.#named.set(node, named)
  }

  /** Decides, after the last layer of the module. */
  decide(): void {
    for (const [node, named] of this.#named) this.#decideOne(node, named)
    this.#named.clear()
  }

  #decideOne(node: number, { layer, inode }: Named): void {
    const tree = this.#tree
    const [upper, lower] = [tree.layers[layer], tree.layers[tree.nodeLayer[node]]]
    const above = { index: upper.index, inode }
    const below = { index: lower.index, inode: tree.nodeInode[node] }
    const what = metadataDifferences(below, above)
    if (what.length === 0) return
    // Attributes of the root come from the folder where an archive was packed, and say nothing about access to an
    // image.
    const fewer = node === ROOT ? undefined : admitsFewer(above, below)
    if (fewer === undefined || this.#options.directories === 'keep') this.#keep(node, upper, lower, what)
    else if (this.#takesUpper(node, upper, lower, fewer)) tree.takeAttributes(node, layer, inode)
  }

  #keep(node: number, upper: StackLayer, lower: StackLayer, what: Difference[]): void {
    const path = this.#tree.pathOf(node)
    this.#findings.keptDirectories.push({ path, lower: lower.module, upper: upper.module, what })
  }

  /** True if a flag or record gives the directory the upper module's access; otherwise it is a conflict. */
  #takesUpper(node: number, upper: StackLayer, lower: StackLayer, { reason, isContained }: Fewer): boolean {
    const path = this.#tree.pathOf(node)
    const between = { path, lower: lower.module, upper: upper.module, reason }
    const by = this.#ruleFor(path, upper)
    if (by !== undefined && (this.#options.directories !== 'narrow' || isContained)) {
      this.#findings.overrides.push({ ...between, by, names: 0 })
      return true
    }
    const names = { lowerName: lower.name, upperName: upper.name }
    this.#findings.conflicts.add({ ...between, ...names, isOfAccess: true })
    return false
  }

  #ruleFor(path: string, upper: StackLayer): Override['by'] | undefined {
    if (this.#options.directories !== undefined) return '--directories'
    if (upper.replaces?.(path)) return 'replaces'
    return this.#options.onConflict === 'upper' ? '--on-conflict upper' : undefined
  }
}
