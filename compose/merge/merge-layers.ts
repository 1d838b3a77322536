import { applyLayer } from './apply-layer.ts'
import { ConflictError, noFindings } from './conflicts.ts'
import { GrowingTree } from './growing-tree.ts'
import { resolveLowerLinks } from './lower-links.ts'
import type { MergedTree } from './merged-tree.ts'
import { numberAdded, numberInodes } from './number-inodes.ts'
import { SharedDirectories } from './shared-directories.ts'
import { checkStack, type MergeOptions, type StackLayer } from './stack.ts'

/**
 * Merges layers into a tree, the first at the bottom (spec/merge.md). Pure: it reads only the indexes.
 * @throws ConflictError (CONFLICT) with the paths on which modules disagree
 * @throws StrataError TAR_INVALID for a hard link to a file that no lower layer of its module has
 * @throws TypeError for roles or modules in an impossible order
 */
export function mergeLayers(layers: StackLayer[], options: MergeOptions = {}): MergedTree {
  checkStack(layers)
  const findings = noFindings()
  const tree = GrowingTree.begin(layers)
  const lowerLinks = resolveLowerLinks(layers)
  const shared = new SharedDirectories(tree, options, findings)
  layers.forEach(({ module }, ordinal) => {
    const links = lowerLinks.get(ordinal)
    if (links !== undefined) tree.joinLinks(ordinal, links)
    applyLayer(tree, ordinal, options, findings, shared)
    const next = layers[ordinal + 1]
    if (next === undefined ? options.isCut !== true : next.module !== module) shared.decide()
    tree.compact()
  })
  if (findings.conflicts.kept.length > 0) throw new ConflictError(findings.conflicts)
  return numberInodes(tree, findings, lowerLinks)
}

/**
 * Adds a layer that replaces nothing. The result is as if all layers had been merged together, except for the numbers
 * of inodes. The cost is that of the layer and of copies of the columns.
 * @param layer of role `generated`
 */
export function addLayer(merged: MergedTree, layer: StackLayer): MergedTree {
  const layers = [...merged.layers, layer]
  checkStack(layers)
  if (layer.role !== 'generated') throw new TypeError(`a layer of role ${layer.role} may replace something`)
  const tree = GrowingTree.from(merged, layers)
  const findings = noFindings()
  applyLayer(tree, layers.length - 1, {}, findings, new SharedDirectories(tree, {}, findings))
  return numberAdded(merged, tree)
}
