/** Manifests of a store by their ids, verified as they are read. */
import type { CID } from 'multiformats/cid'
import { readWholeBlob } from './blob-store.ts'
import { formatCid, sha256Of } from './digest.ts'
import { decodeLayerManifest, type LayerManifest } from './module/layer-manifest.ts'
import { decodeRecord, type ModuleRecord } from './module/record.ts'
import { decodeSidecar, type Sidecar } from './sidecar.ts'
import type { Store } from './store.ts'

/** @throws StrataError BLOB_MISSING, BLOB_CORRUPT, MANIFEST_INVALID */
export const readLayer = async (store: Store, id: CID): Promise<LayerManifest> =>
  decodeLayerManifest(await readWholeBlob(store, sha256Of(id)), `layer ${formatCid(id)}`)

/** @throws StrataError BLOB_MISSING, BLOB_CORRUPT, MANIFEST_INVALID */
export const readRecord = async (store: Store, id: CID): Promise<ModuleRecord> =>
  decodeRecord(await readWholeBlob(store, sha256Of(id)), `module record ${formatCid(id)}`)

/** The sidecar of a layer; undefined when no entry has an ACL or an attribute. @throws StrataError as readLayer */
export const readSidecar = async (store: Store, { sidecar }: LayerManifest): Promise<Sidecar | undefined> =>
  sidecar && decodeSidecar(await readWholeBlob(store, sha256Of(sidecar)))
