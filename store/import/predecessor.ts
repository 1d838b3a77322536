/** The former record of a name. A new record must not open what it closed (spec/store-layout.md#widening). */
import type { CID } from 'multiformats/cid'
import { readRecord } from '../contents/index.ts'
import type { Store } from '../files/index.ts'
import { type ModuleName, type ModuleRecord, readRef, recordsOf } from '../module/index.ts'
import { StrataError } from '../values/index.ts'

export interface Predecessor {
  id: CID
  /** Undefined if it cannot be read, so that its access groups are unknown. */
  record?: ModuleRecord
  /** True if the name stands for it now; false if it was unpublished. */
  isCurrent: boolean
}

/**
 * Looks in the store for writing only.
 * @param replace accept a damaged ref, which is to be replaced
 * @returns undefined for a name that never stood for anything
 * @throws StrataError MANIFEST_INVALID for a ref that cannot be read, IO
 */
export async function readPredecessor(
  store: Store,
  name: ModuleName,
  replace: boolean
): Promise<Predecessor | undefined> {
  const current = currentRef(store, name, replace)
  const id = current ?? recordsOf(store.root, name)[0]?.record
  if (id === undefined) return undefined
  const record = await readRecord(store, id).catch(error => {
    if (error instanceof StrataError) return undefined
    throw error
  })
  return { id, record, isCurrent: current !== undefined }
}

function currentRef(store: Store, name: ModuleName, replace: boolean): CID | undefined {
  try {
    return readRef(store.root, name)
  } catch (error) {
    if (replace && error instanceof StrataError && error.code === 'MANIFEST_INVALID') return undefined
    throw error
  }
}
