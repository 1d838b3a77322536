/** Finds the records of the modules that a sandbox was made of, in a store or in the sandbox. */

import { decodeRecord, type ModuleRecord } from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { formatCid, manifestCid, StrataError } from '../../store/values/index.ts'
import type { ChosenModule } from '../stack/index.ts'
import { keptRecord, readKept } from './compose-folder.ts'

export interface SandboxRecords {
  /** Records bottom to top; parts without a record are left out. */
  records: ModuleRecord[]
  of(module: ChosenModule): ModuleRecord | undefined
  /** One line for each module without a known record. */
  notes: string[]
}

/** @throws StrataError BLOB_CORRUPT, MANIFEST_INVALID */
export async function recordsOfSandbox(
  store: Repository,
  directory: string,
  modules: readonly ChosenModule[]
): Promise<SandboxRecords> {
  const found = new Map<ChosenModule, ModuleRecord>()
  const notes: string[] = []
  for (const module of modules) {
    const { name, record } = module
    if (name === undefined || record === undefined) continue
    const known = (await stored(store, record)) ?? readKeptRecord(directory, name, record)
    if (known !== undefined) found.set(module, known)
    else
      notes.push(
        `environment, labels and access groups of ${name} are not known here: no store has its record ${formatCid(record)}`
      )
  }
  return { records: [...found.values()], of: module => found.get(module), notes }
}

const stored = (
  store: Repository,
  record: NonNullable<ChosenModule['record']>
): Promise<ModuleRecord | undefined> =>
  store.readRecord(record).catch(error => {
    if (error instanceof StrataError && error.code === 'BLOB_MISSING') return undefined
    throw error
  })

function readKeptRecord(
  directory: string,
  name: string,
  record: NonNullable<ChosenModule['record']>
): ModuleRecord | undefined {
  const path = keptRecord(name)
  try {
    const bytes = readKept(directory, path)
    return manifestCid(bytes).equals(record) ? decodeRecord(bytes, `${directory}/${path}`) : undefined
  } catch {
    return undefined
  }
}
