/** What `compose show` tells of a module: its record, and what its layers hold and take. */
import type { CID } from 'multiformats/cid'
import { accessOfLayer } from '../access/index.ts'
import { findBlob, readLayer, readRecipeSizes, readRecord, readSidecar } from '../contents/index.ts'
import type { FileAccess, Store } from '../files/index.ts'
import type { LayerManifest, ModuleRecord } from '../module/index.ts'
import { isDenied, sha256Of } from '../values/index.ts'

export interface DescribedLayer {
  id: CID
  manifest: LayerManifest
  /** Bytes of the tarball; undefined when it is not in a store. */
  tarBytes?: number
  /** Bytes that its packed contents take. */
  dataBytes?: number
  /** Undefined where the user may not read the layer. */
  aclPaths?: number
  attributePaths?: number
  /** Who may read all of it, as its files are in the store. */
  readableBy: FileAccess
}

export interface DescribedModule {
  id: CID
  record: ModuleRecord
  layers: DescribedLayer[]
}

/**
 * Of a layer that is for other groups, what its manifest says.
 * @throws StrataError BLOB_MISSING, BLOB_CORRUPT, MANIFEST_INVALID
 */
export async function describeModule(store: Store, id: CID): Promise<DescribedModule> {
  const record = await readRecord(store, id)
  const layers: DescribedLayer[] = []
  for (const layer of record.layers) layers.push(await describeLayer(store, layer))
  return { id, record, layers }
}

async function describeLayer(store: Store, id: CID): Promise<DescribedLayer> {
  const manifest = await readLayer(store, id)
  const found = findBlob(store, sha256Of(manifest.tar))
  return {
    id,
    manifest,
    ...(found && (await unlessDenied(() => readRecipeSizes(found, sha256Of(manifest.tar))))),
    ...(await unlessDenied(() => countMarks(store, manifest))),
    readableBy: (await accessOfLayer(store, manifest)).index
  }
}

async function countMarks(
  store: Store,
  manifest: LayerManifest
): Promise<Pick<DescribedLayer, 'aclPaths' | 'attributePaths'>> {
  const entries = (await readSidecar(store, manifest))?.entries ?? []
  return {
    aclPaths: entries.filter(({ acl, defaultAcl }) => acl !== undefined || defaultAcl !== undefined).length,
    attributePaths: entries.filter(({ attributes }) => attributes !== undefined).length
  }
}

async function unlessDenied<T extends object>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    if (isDenied(error)) return undefined
    throw error
  }
}
