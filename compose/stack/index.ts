/** The user's choice of modules, its lock, and layer lists (spec/resolve.md, spec/lock.md). */
export type { ChosenModule } from './chosen-module.ts'
export {
  DEFAULT_COLLECTION,
  describeCollection,
  listCollections,
  restoreCollection,
  saveCollection
} from './collections.ts'
export {
  addModules,
  purgeModules,
  removeModules,
  type StackChange,
  swapModules,
  updateModules
} from './edit-stack.ts'
export { groupBareLayers } from './group-layers.ts'
export {
  compressorVersion,
  DIRECTORY_RULES,
  IMAGE_FORMAT,
  type ImageParameters,
  type MergeParameters,
  mergeParameters
} from './image-parameters.ts'
export { formatLayerList, looksLikeLayerList, parseLayerList } from './layer-list.ts'
export { loadedRequest } from './loaded-request.ts'
export { formatLock, type Lock, looksLikeLock, parseLock } from './lock-file.ts'
export { chosenOf, openStack, readIfThere, resolveOpenStack, resolveStackFile } from './open-stack.ts'
export { pinFile } from './pin-file.ts'
export { replaceFile } from './replace-file.ts'
export { readStack } from './stack-file.ts'
