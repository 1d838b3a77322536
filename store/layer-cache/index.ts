/** Layers packed for OCI layouts, kept in the store (spec/store-layout.md#oci-layers). */
export {
  CACHED_NOTE_ENDING,
  type CachedLayer,
  checkBlob,
  readCachedNote,
  removeCachedLayer
} from './cached-layer.ts'
export type { CachedNote } from './cached-note.ts'
