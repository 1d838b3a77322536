/** Access to the files of a layer as they are in the store (spec/store-layout.md#access). */
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
  /** For the recipe, and for the data files of all profiles. */
  tar: FileAccess
  sidecar: FileAccess
  /** For the index, which repeats tarball and sidecar: only for those who may read both. */
  index: FileAccess
}

/** @throws StrataError IO. A blob that no store has restricts nobody */
export const accessOfLayer = (
  store: Store,
  { tar, sidecar }: Pick<LayerManifest, 'tar' | 'sidecar'>
): Promise<LayerAccess> =>
  storedAccess(store, { tar: sha256Of(tar), ...(sidecar && { sidecar: sha256Of(sidecar) }) })

/**
 * Access for a layer that is not published but built at once from a tarball: that of the same content in a store. If no
 * store has the content, everyone.
 */
export async function storedAccess(
  store: Store,
  { tar, sidecar }: { tar: Digest; sidecar?: Digest }
): Promise<LayerAccess> {
  const ofTar = accessOfContent(store, tar)
  const ofSidecar = sidecar === undefined ? EVERYONE : accessOfContent(store, sidecar)
  return { tar: ofTar, sidecar: ofSidecar, index: intersectionOf(ofTar, ofSidecar) }
}

/** Access for anything made from all of these layers: only those who may read each of them. */
export async function accessOfLayers(store: Store, layers: readonly CID[]): Promise<FileAccess> {
  let access: FileAccess = EVERYONE
  for (const id of layers)
    access = intersectionOf(access, (await accessOfLayer(store, await readLayer(store, id))).index)
  return access
}

/**
 * Intersection of the access of all files of that name, in all stores. Another publisher may put an open file with any
 * bytes beside a closed one, and which of them is read is decided elsewhere. A blob that no store has restricts nobody.
 */
export function accessOfContent(store: Store, digest: Digest): FileAccess {
  let access: FileAccess = EVERYONE
  for (const { root } of store.searched)
    for (const path of filesNamed(root, digest)) {
      const found = storeFolder(root).withInode(path, readAccess)
      if (found !== undefined) access = intersectionOf(access, found.access) // missing files restrict nobody
    }
  return access
}

/** Paths of a digest as a blob, and as data files of all profiles. */
function filesNamed(root: string, digest: Digest): StorePath[] {
  return [
    ...BLOB_ENCODINGS.map(encoding => blobPath(digest, encoding)),
    ...foldersBelow(root, DATA).map(profile => dataPathBelow(profile, digest))
  ]
}
