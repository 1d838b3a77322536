import { applyLayer, type Findings } from './apply-layer.ts'
import { ConflictError } from './conflicts.ts'
import { GrowingTree } from './growing-tree.ts'
import type { MergedTree } from './merged-tree.ts'
import { numberAdded, numberInodes } from './number-inodes.ts'
import { checkStack, type MergeOptions, type StackLayer } from './stack.ts'

/**
 * The tree that the layers make, the first at the bottom (spec/merge.md). Pure: it reads the indexes, nothing else.
 * @throws ConflictError (CONFLICT) with every path on which modules do not agree
 * @throws TypeError for roles or modules in an order that cannot be
 */
export function mergeLayers(layers: StackLayer[], options: MergeOptions = {}): MergedTree {
  checkStack(layers)
  const findings: Findings = { conflicts: [], keptDirectories: [] }
  const tree = GrowingTree.begin(layers)
  layers.forEach((_, ordinal) => {
    applyLayer(tree, ordinal, options, findings)
    tree.compact()
  })
  if (findings.conflicts.length > 0) throw new ConflictError(findings.conflicts)
  return numberInodes(tree, findings.keptDirectories)
}

/**
 * The tree with a layer that replaces nothing laid over it: as if all had been merged together, but for the numbers
 * of inodes. Costs what the layer has, and copies of the columns.
 * @param layer of role `generated`
 */
export function addLayer(merged: MergedTree, layer: StackLayer): MergedTree {
  const layers = [...merged.layers, layer]
  checkStack(layers)
  if (layer.role !== 'generated') throw new TypeError(`a layer of role ${layer.role} may replace something`)
  const tree = GrowingTree.from(merged, layers)
  applyLayer(tree, layers.length - 1, {}, { conflicts: [], keptDirectories: [] })
  return numberAdded(merged, tree)
}
