/**
 * Makes a name stand again for a former record. As in an import, nothing is opened unasked, no ACL is lost unasked, and
 * all needed files must exist.
 */
import type { CID } from 'multiformats/cid'
import { type Consent, refuseDroppedAcls } from '../access/index.ts'
import { readLayer, readRecord } from '../contents/index.ts'
import { assertWritable, type Store } from '../files/index.ts'
import { keepReachable } from '../gc/index.ts'
import { rebuildIndex, updateIndex } from '../index/index.ts'
import {
  type ComparedSettings,
  compareSettings,
  formatModuleName,
  type ModuleName,
  recordsOf,
  writeRef
} from '../module/index.ts'
import { formatCid, StrataError, sha256Of } from '../values/index.ts'
import { aclsDroppedByLayers } from './former-acls.ts'
import { ImportAccess } from './import-access.ts'
import { readPredecessor } from './predecessor.ts'
import { refuseUnsigned } from './signed-record.ts'
import { refuseUnknownBefore, refuseWiderModule } from './wider-module.ts'

export interface RestoredRecord {
  name: ModuleName
  record: CID
  outcome: 'created' | 'same' | 'replaced'
  /** The record that the name stood for, if any. */
  previous?: CID
  settings?: ComparedSettings
  notes: string[]
}

/**
 * @param id the record, or the beginning of its id
 * @throws StrataError MODULE_UNKNOWN if the name never stood for it, ACCESS_WIDER, NOT_REDISTRIBUTABLE, BLOB_MISSING
 */
export async function restoreRecord(
  store: Store,
  name: ModuleName,
  id: string,
  consent: Consent
): Promise<RestoredRecord> {
  await assertWritable(store)
  const record = formerRecord(store, name, id)
  const settings = await readRecord(store, record)
  const before = await readPredecessor(store, name, false)
  refuseWiderModule(name, settings, { before, sources: [], consent })
  refuseUnknownBefore(name, settings, { id: record, before, consent })
  const access = new ImportAccess(store, settings, consent)
  for (const layer of settings.layers) {
    const { tar, sidecar } = await readLayer(store, layer)
    await access.plan({
      layer: sha256Of(layer),
      tar: sha256Of(tar),
      ...(sidecar && { sidecar: sha256Of(sidecar) })
    })
  }
  const droppedAcls = await aclsDroppedByLayers(store, before?.record, settings)
  refuseDroppedAcls(formatModuleName(name), droppedAcls, consent, '--drop-acls goes back to it without them')
  await refuseUnsigned(store, name, { id: record, layers: settings.layers })
  const current = before?.isCurrent ? before : undefined
  const written = await writeRef(store.root, name, record, {
    replace: true,
    lookedAt: current?.id,
    secure: () => keepReachable(store, { records: [record], layers: [] })
  })
  const { notes, hasNarrowedTrees } = await access.settle()
  if (hasNarrowedTrees) await rebuildIndex(store)
  else await updateIndex(store, record)
  return {
    name,
    record,
    ...written,
    ...(current?.record && { settings: compareSettings(current.record, settings) }),
    notes
  }
}

function formerRecord(store: Store, name: ModuleName, id: string): CID {
  const known = recordsOf(store.root, name)
  const found = known.filter(({ record }) => formatCid(record).startsWith(id))
  if (found.length === 1) return found[0].record
  throw new StrataError('MODULE_UNKNOWN', {
    message:
      found.length === 0
        ? `${formatModuleName(name)} never stood for a record ${id} in ${store.root}, or compose gc has removed it`
        : `${id} is the beginning of ${found.length} records of ${formatModuleName(name)}`,
    facts: { records: known.map(({ record }) => formatCid(record)) },
    hint: `compose history ${formatModuleName(name)}`
  })
}
