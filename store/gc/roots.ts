/** The roots that keep files of a store: refs, history that is young enough, pins (spec/store-layout.md#gc). */
import type { CID } from 'multiformats/cid'
import { mtimeOf, readPlainFile, type Store, type StorePath, storeFolder } from '../files/index.ts'
import { formatModuleName, historyFolder, listHistory, listRefs, type ModuleName } from '../module/index.ts'
import { count, formatCid, StrataError } from '../values/index.ts'
import { listPins, type Pin, readPin } from './pins.ts'
import { Reach, type Roots, type Tolerate } from './reach.ts'

export interface StoreRoots {
  /** Current modules. */
  modules: number
  pins: number
  /** Records that have no name any more but are kept. */
  history: number
  /** Notes of the history that no longer count. */
  dropped: HistoryNote[]
  reach: Reach
}

export interface HistoryNote {
  name: ModuleName
  record: CID
  path: StorePath
  /** Time when the record last became current or ceased to be, in nanoseconds since 1970. */
  timeNs: bigint
}

/**
 * Reads refs before history: a record that is replaced or unpublished meanwhile is noted in the history before its ref
 * goes.
 * @param droppedBeforeNs older notes of the history do not count
 * @throws StrataError GC_UNSAFE that names a file that cannot be read: nothing must be removed then
 */
export async function findRoots(store: Store, droppedBeforeNs: bigint | undefined): Promise<StoreRoots> {
  try {
    const { refs, faults } = listRefs(store.root)
    const history = readHistory(store.root)
    const pins = await readPins(store.root)
    const [fault, ...others] = [...faults, ...history.faults]
    if (fault !== undefined) throw amongOthers(fault, others.length)
    const current = new Set(refs.map(({ name, record }) => noteKey(name, record)))
    const past = history.notes.filter(({ name, record }) => !current.has(noteKey(name, record)))
    const isDropped = ({ timeNs }: HistoryNote) => droppedBeforeNs !== undefined && timeNs < droppedBeforeNs
    const kept = past.filter(note => !isDropped(note))
    const reach = new Reach(store)
    for (const { name, record } of refs) await addNeeded(reach, formatModuleName(name), onlyRecord(record))
    for (const pin of pins) await addNeeded(reach, `pin ${pin.name}`, pin)
    for (const { path, record } of kept)
      await addNeeded(reach, storeFolder(store.root).displayPath(path), onlyRecord(record), isMissing)
    return {
      modules: refs.length,
      pins: pins.length,
      history: kept.length,
      dropped: past.filter(isDropped),
      reach
    }
  } catch (error) {
    throw error instanceof StrataError && error.code !== 'GC_UNSAFE' ? gcUnsafe(error) : error
  }
}

const onlyRecord = (record: CID): Roots => ({ records: [record], layers: [] })

const noteKey = (name: ModuleName, record: CID): string => `${formatModuleName(name)} ${formatCid(record)}`

/** An interrupted import leaves a note of an incomplete record, which keeps the files that exist. */
const isMissing: Tolerate = ({ code }) => code === 'BLOB_MISSING'

async function addNeeded(reach: Reach, who: string, roots: Roots, tolerate?: Tolerate): Promise<void> {
  try {
    await reach.add(roots, tolerate)
  } catch (error) {
    throw error instanceof StrataError ? gcUnsafe(error, who) : error
  }
}

function readHistory(root: string): { notes: HistoryNote[]; faults: StrataError[] } {
  const { refs, faults } = listHistory(root)
  const notes: HistoryNote[] = []
  for (const { name, record } of refs) {
    const path = `${historyFolder(name)}/${formatCid(record)}`
    const status = storeFolder(root).status(path)
    if (status !== undefined) notes.push({ name, record, path, timeNs: mtimeOf(status) })
  }
  return { notes, faults }
}

async function readPins(root: string): Promise<Pin[]> {
  const pins: Pin[] = []
  for (const name of listPins(root)) {
    const pin = await readPin(root, name).catch(error => {
      if (!(error instanceof StrataError) || error.code !== 'PIN_UNKNOWN') throw error
    }) // the pin was removed since the folder was read
    if (pin !== undefined) pins.push(pin)
  }
  return pins
}

/** Limit on reasons: they have 1,024 characters at most (store/module/text-field.ts). */
const MAX_REASON_BYTES = 1 << 13

/** The reason for removing a record's name, if one was given. */
export function readReason(root: string, path: StorePath): string | undefined {
  try {
    const bytes = readPlainFile(storeFolder(root), path, { mostBytes: MAX_REASON_BYTES })
    return bytes?.toString().trimEnd() || undefined
  } catch {
    return undefined
  }
}

/** The first of several faults, with their number. */
function amongOthers(fault: StrataError, others: number): StrataError {
  if (others === 0) return fault
  const { code, facts, hint } = fault
  const message = `${fault.message}; ${count(others, 'other fault')} of this kind below refs`
  return new StrataError(code, { message, facts, hint, cause: fault })
}

const gcUnsafe = (cause: StrataError, neededBy?: string): StrataError =>
  new StrataError('GC_UNSAFE', {
    message: `nothing is removed, because it is unknown which files are needed: ${cause.message}`,
    facts: { ...(neededBy !== undefined && { 'needed by': neededBy }), ...cause.facts, cause: cause.code },
    hint:
      neededBy === undefined && cause.hint !== undefined
        ? cause.hint
        : 'compose fsck lists all faults; COMPOSE_PATH must name the stores that modules of this one need',
    cause
  })
