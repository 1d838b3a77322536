/** The record that a new one of the same name comes after: what it closed stays closed (spec/store-layout.md#widening). */
import type { CID } from 'multiformats/cid'
import { readRecord } from '../contents/index.ts'
import type { Store } from '../files/index.ts'
import { type ModuleName, type ModuleRecord, readRef, recordsOf } from '../module/index.ts'
import { StrataError } from '../values/index.ts'

export interface Predecessor {
  id: CID
  /** Undefined where it cannot be read: nobody knows for whom it was. */
  record?: ModuleRecord
  /** Whether the name stands for it now; it was unpublished else. */
  isCurrent: boolean
}

/**
 * In the store that is written.
 * @param replace a ref that is damaged is to be replaced, too
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
