/** Who may read the files of a layer, as they are in the store (spec/store-layout.md#access). */
import type { CID } from 'multiformats/cid'
import { findBlob } from '../blob-store.ts'
import { type Digest, sha256Of } from '../digest.ts'
import { readLayer } from '../manifests.ts'
import type { LayerManifest } from '../module/layer-manifest.ts'
import type { Store } from '../store.ts'
import { accessOfPath, EVERYONE, type FileAccess, intersectionOf } from './file-access.ts'

export interface LayerAccess {
  /** Of the recipe, and of the data files of all profiles. */
  tar: FileAccess
  sidecar: FileAccess
  /** What tarball and sidecar say between them: for those who may read both. */
  index: FileAccess
}

/** @throws StrataError as findBlob; a blob that is in no store keeps nobody out */
export async function accessOfLayer(
  store: Store,
  { tar, sidecar }: Pick<LayerManifest, 'tar' | 'sidecar'>
): Promise<LayerAccess> {
  const ofTar = await accessOfBlob(store, sha256Of(tar))
  const ofSidecar = sidecar === undefined ? EVERYONE : await accessOfBlob(store, sha256Of(sidecar))
  return { tar: ofTar, sidecar: ofSidecar, index: intersectionOf(ofTar, ofSidecar) }
}

/** Who may read all of these layers: what is made from them together is for nobody else. */
export async function accessOfLayers(store: Store, layers: readonly CID[]): Promise<FileAccess> {
  let access: FileAccess = EVERYONE
  for (const id of layers)
    access = intersectionOf(access, (await accessOfLayer(store, await readLayer(store, id))).index)
  return access
}

async function accessOfBlob(store: Store, digest: Digest): Promise<FileAccess> {
  const found = await findBlob(store, digest)
  return found === undefined ? EVERYONE : accessOfPath(found.path).access
}
