/** Which modules need a blob, with their records: who uses it decides who may read it. */
import type { CID } from 'multiformats/cid'
import { DAG_JSON, type Digest, parseCid } from '../digest.ts'
import type { ModuleName } from '../module/name.ts'
import type { ModuleRecord } from '../module/record.ts'
import type { Store } from '../store.ts'

export interface BlobUser {
  /** In refs/. */
  name: ModuleName
  id: CID
  record: ModuleRecord
}

/**
 * Records of the modules which need a blob as the manifest of a layer, a tarball or a sidecar: in all stores that are
 * searched, or in the first one alone.
 * @throws StrataError IO if refs/ cannot be read; BLOB_MISSING, BLOB_CORRUPT, MANIFEST_INVALID for a record
 */
export async function usersOfBlob(
  store: Store,
  digest: Digest,
  { ownOnly = false }: { ownOnly?: boolean } = {}
): Promise<BlobUser[]> {
  // Only here: both read blobs themselves, and most readers are denied nothing.
  const [{ openCatalogue }, { readRecord }] = await Promise.all([
    import('../index/catalogue.ts'),
    import('../manifests.ts')
  ])
  const users = await openCatalogue(store).usersOfBlob(digest)
  const found: BlobUser[] = []
  for (const { name, record, store: origin } of users) {
    if (ownOnly && origin.root !== store.root) continue
    const id = parseCid(record, DAG_JSON, 'index')
    found.push({ name, id, record: await readRecord(store, id) })
  }
  return found
}
