export type { Difference } from './compare.ts'
export { type Conflict, ConflictError, type KeptDirectory, type Override } from './conflicts.ts'
export type { DirectoryRule } from './directory-rule.ts'
export { addLayer, mergeLayers } from './merge-layers.ts'
export { type MergedTree, withoutGaps } from './merged-tree.ts'
export type { LayerRole, MergeOptions, StackLayer } from './stack.ts'
export { treeDigest } from './tree-digest.ts'
export {
  type AclEntry,
  directoryEntries,
  findPath,
  type MergedEntry,
  type OwnedPath,
  pathOwners,
  pathsWithAcl,
  walk
} from './walk.ts'
