/** Files outside of stores: outputs, caches, folders of the user. */
export { assertOwnEntry, cachePath, ownCacheFolder } from './cache-folder.ts'
export { descriptorLimit } from './descriptor-limit.ts'
export { exists } from './exists.ts'
export { HeldFile, type OpenFile } from './held-file.ts'
export { makeFolders } from './make-folders.ts'
export { assertReplaceable } from './output-target.ts'
export { makeOwnFolder, type OwnFolder } from './own-folder.ts'
export { removeContents, removeOwnTree, removeTree } from './remove-contents.ts'
export { removeAbandoned, siblingPath } from './sibling-path.ts'
export { syncFolder } from './sync-folder.ts'
export {
  type LeftInStores,
  leftInStores,
  notePublished,
  noteUnneeded,
  type TakenBack,
  takeBackAll,
  whenStopped
} from './unfinished.ts'
export { isWritableByOthers } from './writable-by-others.ts'
