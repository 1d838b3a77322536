/** Finds a record by a module's name, or by its id, which still works after it was replaced. */
import { findBlob, readRecord } from '../contents/index.ts'
import type { Store } from '../files/index.ts'
import { parseRecordId } from '../module/index.ts'
import { sha256Of } from '../values/index.ts'
import { type FoundModule, findModule } from './find-module.ts'
import { parseTypedName } from './typed-name.ts'

/**
 * @param text `mpi/openmpi`, `mpi/openmpi-4.1`, or `baguqeera…`
 * @throws StrataError MODULE_NAME, MODULE_UNKNOWN; for an id USAGE, BLOB_MISSING, BLOB_CORRUPT, MANIFEST_INVALID
 */
export async function findRecord(store: Store, text: string): Promise<FoundModule> {
  const record = parseRecordId(text)
  if (record === undefined) return findModule(store, await parseTypedName(store, text))
  const { category, name, version } = await readRecord(store, record)
  const found = findBlob(store, sha256Of(record))
  return { name: { category, name, version }, record, store: found?.store ?? store }
}
