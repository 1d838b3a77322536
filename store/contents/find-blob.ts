import {
  BLOB_ENCODINGS,
  type BlobEncoding,
  blobPath,
  type Store,
  type StorePath,
  type StoreRoot,
  storeFolder
} from '../files/index.ts'
import type { Digest } from '../values/index.ts'

export interface FoundBlob {
  store: StoreRoot
  encoding: BlobEncoding
  path: StorePath
}

/** A blob's place in the first store that has it. */
export function findBlob(store: Store, digest: Digest): FoundBlob | undefined {
  for (const root of store.searched)
    for (const encoding of BLOB_ENCODINGS) {
      const path = blobPath(digest, encoding)
      if (storeFolder(root.root).status(path) !== undefined) return { store: root, encoding, path }
    }
}
