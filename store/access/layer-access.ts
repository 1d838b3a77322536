/** Who may read the files of a layer, as they are in the store (spec/store-layout.md#access). */
import type { CID } from 'multiformats/cid'
import { readLayer } from '../contents/index.ts'
import {
  BLOB_ENCODINGS,
  blobPath,
  DATA,
  dataPathBelow,
  EVERYONE,
  type FileAccess,
  foldersBelow,
  intersectionOf,
  readAccess,
  type Store,
  type StorePath,
  storeFolder
} from '../files/index.ts'
import type { LayerManifest } from '../module/index.ts'
import { type Digest, sha256Of } from '../values/index.ts'

export interface LayerAccess {
  /** Of the recipe, and of the data files of all profiles. */
  tar: FileAccess
  sidecar: FileAccess
  /** What tarball and sidecar say between them: for those who may read both. */
  index: FileAccess
}

/** @throws StrataError IO; a blob that is in no store keeps nobody out */
export const accessOfLayer = (
  store: Store,
  { tar, sidecar }: Pick<LayerManifest, 'tar' | 'sidecar'>
): Promise<LayerAccess> =>
  accessAsStored(store, { tar: sha256Of(tar), ...(sidecar && { sidecar: sha256Of(sidecar) }) })

/**
 * Of a layer that nobody publishes, of a tarball that is built at once: for those whom the same content admits where a
 * store has it. By itself it is open.
 */
export async function accessAsStored(
  store: Store,
  { tar, sidecar }: { tar: Digest; sidecar?: Digest }
): Promise<LayerAccess> {
  const ofTar = accessOfContent(store, tar)
  const ofSidecar = sidecar === undefined ? EVERYONE : accessOfContent(store, sidecar)
  return { tar: ofTar, sidecar: ofSidecar, index: intersectionOf(ofTar, ofSidecar) }
}

/** Who may read all of these layers: what is made from them together is for nobody else. */
export async function accessOfLayers(store: Store, layers: readonly CID[]): Promise<FileAccess> {
  let access: FileAccess = EVERYONE
  for (const id of layers)
    access = intersectionOf(access, (await accessOfLayer(store, await readLayer(store, id))).index)
  return access
}

/**
 * Whom every file of that name admits, in all stores: which of them is read is settled elsewhere, and another publisher
 * may put an open one, of whatever bytes, beside one that is closed. What is in no store keeps nobody out.
 */
export function accessOfContent(store: Store, digest: Digest): FileAccess {
  let access: FileAccess = EVERYONE
  for (const { root } of store.searched)
    for (const path of filesNamed(root, digest)) {
      const found = storeFolder(root).withInode(path, readAccess)
      if (found !== undefined) access = intersectionOf(access, found.access) // what is not there keeps nobody out
    }
  return access
}

/** As blobs, and as data files of all profiles. */
function filesNamed(root: string, digest: Digest): StorePath[] {
  return [
    ...BLOB_ENCODINGS.map(encoding => blobPath(digest, encoding)),
    ...foldersBelow(root, DATA).map(profile => dataPathBelow(profile, digest))
  ]
}
