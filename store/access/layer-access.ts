/** Who may read the files of a layer, as they are in the store (spec/store-layout.md#access). */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { type Digest, sha256Of } from '../digest.ts'
import { readLayer } from '../manifests.ts'
import type { LayerManifest } from '../module/layer-manifest.ts'
import type { Store } from '../store.ts'
import { BLOB_ENCODINGS, blobPath, DATA } from '../store-layout.ts'
import { accessOfPath, EVERYONE, type FileAccess, intersectionOf } from './file-access.ts'
import { dataPathBelow } from './layer-files.ts'

export interface LayerAccess {
  /** Of the recipe, and of the data files of all profiles. */
  tar: FileAccess
  sidecar: FileAccess
  /** What tarball and sidecar say between them: for those who may read both. */
  index: FileAccess
}

/** @throws StrataError IO; a blob that is in no store keeps nobody out */
export async function accessOfLayer(
  store: Store,
  { tar, sidecar }: Pick<LayerManifest, 'tar' | 'sidecar'>
): Promise<LayerAccess> {
  const ofTar = await accessOfContent(store, sha256Of(tar))
  const ofSidecar = sidecar === undefined ? EVERYONE : await accessOfContent(store, sha256Of(sidecar))
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
 * may put an open one, of whatever bytes, beside one that is closed.
 */
async function accessOfContent(store: Store, digest: Digest): Promise<FileAccess> {
  let access: FileAccess = EVERYONE
  for (const { root } of store.searched)
    for (const path of await filesNamed(root, digest)) access = intersectionOf(access, accessIfThere(path))
  return access
}

/** As blobs, and as data files of all profiles. */
async function filesNamed(root: string, digest: Digest): Promise<string[]> {
  const profiles = await readdir(join(root, DATA)).catch(() => [])
  return [
    ...BLOB_ENCODINGS.map(encoding => blobPath(digest, encoding)),
    ...profiles.map(profile => dataPathBelow(profile, digest))
  ].map(path => join(root, path))
}

/** What is not there keeps nobody out. */
function accessIfThere(path: string): FileAccess {
  try {
    return accessOfPath(path).access
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return EVERYONE
    throw error
  }
}
