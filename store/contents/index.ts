/** Blobs, manifests and objects, read and checked against their names (spec/store-layout.md#trust). */
export { BlobDenied } from './blob-denied.ts'
export { putBlob, readBlob, readWholeBlob } from './blob-store.ts'
export { DataFile, listedParts, type WantedData } from './data-file.ts'
export { isAsChecked, NOTE_ENDING, noteChecked } from './data-identity.ts'
export {
  assertPart,
  checkPart,
  type DataParts,
  openPart,
  openParts,
  type PartInStore,
  readParts
} from './data-parts.ts'
export { type FoundBlob, findBlob } from './find-blob.ts'
export { readLayer, readSidecar } from './manifests.ts'
export {
  closeObjectFiles,
  findObject,
  type LayerObject,
  type ObjectFiles,
  readIndex,
  readObject,
  readOpenIndex,
  readRecipeSizes
} from './object-store.ts'
export { isOwnCheck, noteOwnCheck } from './own-checks.ts'
export { readRecord, readRecordPart, readSmallBlob } from './read-record.ts'
