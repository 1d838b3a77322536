/** Finds the modules that need a blob. Their access groups decide who may read it. */
import type { CID } from 'multiformats/cid'
import { readRecord } from '../contents/index.ts'
import type { Store } from '../files/index.ts'
import { openCatalogue } from '../index/index.ts'
import type { ModuleName, ModuleRecord } from '../module/index.ts'
import { DAG_JSON, type Digest, parseCid, StrataError } from '../values/index.ts'

export interface BlobUser {
  /** Name in refs/. */
  name: ModuleName
  /** Root of the store. */
  origin: string
  id: CID
  record: ModuleRecord
}

/**
 * Modules whose record needs a blob as the manifest of a layer, a tarball or a sidecar, in all stores that are searched
 * or in the first one alone. A record that is lost or damaged is left out.
 * @throws StrataError IO if refs/ cannot be read
 */
export async function usersOfBlob(
  store: Store,
  digest: Digest,
  { ownOnly = false }: { ownOnly?: boolean } = {}
): Promise<BlobUser[]> {
  const users = await openCatalogue(store).usersOfBlob(digest)
  const found: BlobUser[] = []
  for (const { name, record, store: origin } of users) {
    if (ownOnly && origin.root !== store.root) continue
    const id = parseCid(record, DAG_JSON, 'index')
    const stored = await readRecord(store, id).catch(error => {
      if (error instanceof StrataError && error.code !== 'IO') return undefined
      throw error
    })
    if (stored !== undefined) found.push({ name, origin: origin.root, id, record: stored })
  }
  return found
}
