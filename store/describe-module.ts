/** What `compose show` tells of a module: its record, and what its layers hold and take. */
import type { CID } from 'multiformats/cid'
import { findBlob } from './blob-store.ts'
import { sha256Of } from './digest.ts'
import { readLayer, readRecord, readSidecar } from './manifests.ts'
import type { LayerManifest } from './module/layer-manifest.ts'
import type { ModuleRecord } from './module/record.ts'
import { readRecipeSizes } from './object/object-store.ts'
import type { Store } from './store.ts'

export interface DescribedLayer {
  id: CID
  manifest: LayerManifest
  /** Bytes of the tarball; undefined when it is not in a store. */
  tarBytes?: number
  /** Bytes that its packed contents take. */
  dataBytes?: number
  aclPaths: number
  attributePaths: number
}

export interface DescribedModule {
  id: CID
  record: ModuleRecord
  layers: DescribedLayer[]
}

/** @throws StrataError BLOB_MISSING, BLOB_CORRUPT, MANIFEST_INVALID */
export async function describeModule(store: Store, id: CID): Promise<DescribedModule> {
  const record = await readRecord(store, id)
  const layers: DescribedLayer[] = []
  for (const layer of record.layers) layers.push(await describeLayer(store, layer))
  return { id, record, layers }
}

async function describeLayer(store: Store, id: CID): Promise<DescribedLayer> {
  const manifest = await readLayer(store, id)
  const entries = (await readSidecar(store, manifest))?.entries ?? []
  const found = await findBlob(store, sha256Of(manifest.tar))
  return {
    id,
    manifest,
    ...(found && (await readRecipeSizes(found, sha256Of(manifest.tar)))),
    aclPaths: entries.filter(({ acl, defaultAcl }) => acl !== undefined || defaultAcl !== undefined).length,
    attributePaths: entries.filter(({ attributes }) => attributes !== undefined).length
  }
}
