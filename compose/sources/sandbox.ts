/** A sandbox directory of ours as a source: the tree that it stands for is one layer (spec/sources.md#sandbox). */
import { formatCid, manifestCid } from '../../store/digest.ts'
import { StrataError } from '../../store/errors.ts'
import type { ModuleSource, SourceOptions } from '../../store/import/module-source.ts'
import { observed } from '../../store/import/open-source.ts'
import { readRecord } from '../../store/manifests.ts'
import { decodeRecord, type ModuleRecord, type Origin, originName } from '../../store/module/record.ts'
import { showPath } from '../../store/path-bytes.ts'
import type { Store } from '../../store/store.ts'
import { readSandbox, SANDBOX_FOLDER, type SandboxEdits } from '../sandbox/index.ts'
import type { ChosenModule } from '../stack/chosen-module.ts'
import { parseLock } from '../stack/lock.ts'
import { keptRecord, readKept } from './compose-folder.ts'
import { composedSettings } from './composed-settings.ts'

/**
 * Owners, modes, ACLs and attributes are the stored ones, with what was edited since; files that compose generated are
 * left out.
 * @throws StrataError SANDBOX_INVALID, LOCK_INVALID, ACCESS_WIDER, IO; SOURCE_CHANGED from the layer, too
 */
export async function openSandboxSource(
  store: Store,
  directory: string,
  { onProgress }: Pick<SourceOptions, 'onProgress'>
): Promise<ModuleSource> {
  const sandbox = readWhole(directory)
  const notes = sandbox.unprivileged.map(
    path => `/${showPath(path)} lost set-id bits or capabilities with its old content`
  )
  const lock = parseLock(sandbox.lock.toString('utf8'), `${directory}/${SANDBOX_FOLDER}/lock`)
  const records: ModuleRecord[] = []
  for (const module of lock.modules) {
    const record = await recordOf(store, directory, module, notes)
    if (record !== undefined) records.push(record)
  }
  const name = originName(directory)
  const origin: Origin = { kind: 'sandbox', ...(name && { name }) }
  const { tar, attributes } = sandbox.captured!
  const chunks = observed(tar, bytesRead => onProgress?.({ source: directory, bytesRead }))
  return {
    described: composedSettings(records, directory),
    layers: [{ name: directory, chunks, attributes, origin: () => origin }],
    skipped: sandbox.skipped,
    notes
  }
}

function readWhole(directory: string): SandboxEdits {
  try {
    return readSandbox(directory, { whole: true })
  } catch (cause) {
    if (!(cause instanceof StrataError) || cause.code !== 'SANDBOX_INVALID') throw cause
    const { message, facts } = cause
    const hint = `mv ${directory}/${SANDBOX_FOLDER} elsewhere: then the directory is taken as it is`
    throw new StrataError('SANDBOX_INVALID', {
      message,
      facts,
      hint: cause.facts.file ? hint : cause.hint,
      cause
    })
  }
}

/** From the store, or as the sandbox holds it; undefined, with a note, where neither has it. */
async function recordOf(
  store: Store,
  directory: string,
  { name, record }: ChosenModule,
  notes: string[]
): Promise<ModuleRecord | undefined> {
  if (name === undefined || record === undefined) return undefined
  const stored = await readRecord(store, record).catch(error => {
    if (error instanceof StrataError && error.code === 'BLOB_MISSING') return undefined
    throw error
  })
  if (stored !== undefined) return stored
  const path = keptRecord(name)
  const bytes = readIfPossible(directory, path)
  if (bytes !== undefined && manifestCid(bytes).equals(record))
    return decodeRecord(bytes, `${directory}/${path}`)
  notes.push(
    `environment, labels and access groups of ${name} are not known here: no store has its record ${formatCid(record)}`
  )
  return undefined
}

function readIfPossible(directory: string, path: string): Buffer | undefined {
  try {
    return readKept(directory, path)
  } catch {
    return undefined
  }
}
