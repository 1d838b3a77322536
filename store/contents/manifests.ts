/** Reads manifests of a store by their ids, and verifies them. */
import type { CID } from 'multiformats/cid'
import { decodeSidecar, type Sidecar } from '../acl/index.ts'
import type { Store } from '../files/index.ts'
import { decodeLayerManifest, type LayerManifest } from '../module/index.ts'
import { formatCid, sha256Of } from '../values/index.ts'
import { readWholeBlob } from './blob-store.ts'

/** @throws StrataError BLOB_MISSING, BLOB_CORRUPT, MANIFEST_INVALID */
export const readLayer = async (store: Store, id: CID): Promise<LayerManifest> =>
  decodeLayerManifest(await readWholeBlob(store, sha256Of(id)), `layer ${formatCid(id)}`)

/** The sidecar of a layer; undefined if no entry has an ACL or an attribute. @throws StrataError as readLayer */
export const readSidecar = async (store: Store, { sidecar }: LayerManifest): Promise<Sidecar | undefined> =>
  sidecar && decodeSidecar(await readWholeBlob(store, sha256Of(sidecar)))
