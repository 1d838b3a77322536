/** Describes a module for `compose show`: its record, and the content and size of its layers. */
import type { CID } from 'multiformats/cid'
import { accessOfLayer, filesOfLayer } from '../access/index.ts'
import { findBlob, readLayer, readRecipeSizes, readRecord, readSidecar } from '../contents/index.ts'
import type { FileAccess, Store } from '../files/index.ts'
import type { LayerManifest, ModuleRecord } from '../module/index.ts'
import { isDenied, sha256Of } from '../values/index.ts'

export interface DescribedLayer {
  id: CID
  manifest: LayerManifest
  /** Bytes of the tarball; undefined if no store has it. */
  tarBytes?: number
  /** Bytes of its packed contents. */
  dataBytes?: number
  /** Number of parts that the packed contents lie in, of all profiles; 0 if the user may not read their list. */
  parts: number
  /** Undefined if the user may not read the layer. */
  aclPaths?: number
  attributePaths?: number
  /** Access that allows reading all of its files, as they are in the store. */
  readableBy: FileAccess
}

export interface DescribedModule {
  id: CID
  record: ModuleRecord
  layers: DescribedLayer[]
}

/**
 * For a layer of groups that the user is not in, only the manifest is described.
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
    parts: await countParts(found?.store.root ?? store.root, id, manifest),
    ...(await unlessDenied(() => countMarks(store, manifest))),
    readableBy: (await accessOfLayer(store, manifest)).index
  }
}

async function countParts(root: string, id: CID, { tar }: LayerManifest): Promise<number> {
  const files = await filesOfLayer(root, { layer: sha256Of(id), tar: sha256Of(tar) })
  return files.filter(({ sharedPart }) => sharedPart !== undefined).length
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
