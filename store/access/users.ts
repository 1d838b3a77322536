/** Which modules need a blob, with their records: who uses it decides who may read it. */
import { DAG_JSON, type Digest, parseCid } from '../digest.ts'
import type { ModuleRecord } from '../module/record.ts'
import type { Store } from '../store.ts'

/**
 * Records of the modules which need a blob as the manifest of a layer, a tarball or a sidecar: in all stores that are
 * searched, or in the first one alone.
 * @throws StrataError IO if refs/ cannot be read; BLOB_MISSING, BLOB_CORRUPT, MANIFEST_INVALID for a record
 */
export async function usersOfBlob(
  store: Store,
  digest: Digest,
  { ownOnly = false }: { ownOnly?: boolean } = {}
): Promise<ModuleRecord[]> {
  // Only here: both read blobs themselves, and most readers are denied nothing.
  const [{ openCatalogue }, { readRecord }] = await Promise.all([
    import('../index/catalogue.ts'),
    import('../manifests.ts')
  ])
  const users = await openCatalogue(store).usersOfBlob(digest)
  const records: ModuleRecord[] = []
  for (const {
    record,
    store: { root }
  } of users)
    if (!ownOnly || root === store.root)
      records.push(await readRecord(store, parseCid(record, DAG_JSON, 'index')))
  return records
}
