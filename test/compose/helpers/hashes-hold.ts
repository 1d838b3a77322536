import * as assert from 'uvu/assert'
import type { MergedTree } from '../../../compose/merge/merged-tree.ts'
import { treeDigest } from '../../../compose/merge/tree-digest.ts'

/** The digest that takes hashes of directories from the layers' indexes is the one that reads every name. */
export function hashesHold(tree: MergedTree): void {
  const directoryIsWhole = new Uint8Array(tree.directoryIsWhole.length)
  assert.equal(treeDigest(tree), treeDigest({ ...tree, directoryIsWhole }))
}
