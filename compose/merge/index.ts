/** Merges layers into one tree, with its conflicts and its digest (spec/merge.md, spec/tree-digest.md). */
export {
  type Difference,
  differences,
  type Located,
  metadataDifferences,
  sameBytes,
  sameContent
} from './compare.ts'
export { ConflictError, type KeptDirectory, type Override } from './conflicts.ts'
export { resolveLowerLinks } from './lower-links.ts'
export { addLayer, mergeLayers } from './merge-layers.ts'
export { type MergedTree, withoutGaps } from './merged-tree.ts'
export type { MergeOptions, StackLayer } from './stack.ts'
export { treeDigest } from './tree-digest.ts'
export {
  type AclEntry,
  directoryEntries,
  entryName,
  findPath,
  type MergedEntry,
  pathsWithAcl,
  walk
} from './walk-tree.ts'
