/** Finds a record by a module's name, or by its id, which still works after it was replaced. */
import { findBlob, readRecord } from '../contents/index.ts'
import type { Store } from '../files/index.ts'
import { DAG_JSON, parseCid, sha256Of } from '../values/index.ts'
import { type FoundModule, findModule } from './find-module.ts'
import { parseTypedName } from './typed-name.ts'

/** `b` marks base32. It cannot be a module name, which has a slash. */
const ID = /^b[a-z2-7]{50,}$/

/**
 * @param text `mpi/openmpi`, `mpi/openmpi-4.1`, or `baguqeera…`
 * @throws StrataError MODULE_NAME, MODULE_UNKNOWN; for an id USAGE, BLOB_MISSING, BLOB_CORRUPT, MANIFEST_INVALID
 */
export async function findRecord(store: Store, text: string): Promise<FoundModule> {
  if (!ID.test(text)) return findModule(store, await parseTypedName(store, text))
  const record = parseCid(text, DAG_JSON, 'MODULE', 'USAGE')
  const { category, name, version } = await readRecord(store, record)
  const found = findBlob(store, sha256Of(record))
  return { name: { category, name, version }, record, store: found?.store ?? store }
}
