/** The only access to files of a store, by a descriptor of its root, and how files are published (spec/store-layout.md). */
export { changeAccess } from './change-access.ts'
export { entriesBelow, foldersBelow, namesBelow, withFileBelow } from './content-file.ts'
export {
  accessFor,
  EVERYONE,
  type FileAccess,
  type FoundAccess,
  intersectionOf,
  isSameAccess,
  isWithin,
  readAccess,
  setAccess,
  showAccess,
  unionOf
} from './file-access.ts'
export { checkGroupFolders } from './group-store.ts'
export { storeFolder, unusedPath } from './held-folder.ts'
export { showUser } from './open-faults.ts'
export { isTrusted, openStoreFile, openStoreFileIfThere, publishersOf, readStoreFile } from './open-file.ts'
export { openStoreFileNow } from './open-file-now.ts'
export { type PlainFile, readPlainFile } from './read-plain-file.ts'
export {
  assertMade,
  assertWritable,
  defaultStore,
  describeProfile,
  initStore,
  isMade,
  openStore,
  placesFromEnvironment,
  type Store,
  type StorePlaces,
  type StoreRoot
} from './store.ts'
export { type Entry, parentOf, type StoreFolder, type StorePath } from './store-folder.ts'
export {
  BLOB_ENCODINGS,
  BLOBS,
  type BlobEncoding,
  blobPath,
  cachedLayerPath,
  DATA,
  dataPath,
  dataPathBelow,
  INDEX,
  indexPath,
  indexPathBelow,
  type LayerCacheKey,
  MODULES_FILE,
  OBJECTS,
  OCI,
  PARTS,
  partPath,
  REFS,
  SIGNATURES,
  TMP
} from './store-layout.ts'
export { TemporaryFile } from './temporary-file.ts'
export { CLAIM, claimPath, flatName, isCollected, mtimeOf, storeClock, touchFiles } from './touch.ts'
