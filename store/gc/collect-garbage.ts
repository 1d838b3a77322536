/**
 * `compose gc`: removes files of a store that no module, no history and no pin needs, while others import into it,
 * build from it and unpublish (spec/store-layout.md#gc). Stores on COMPOSE_PATH are only read.
 */

import { assertWritable, type Store, storeClock } from '../files/index.ts'
import { formatModuleName } from '../module/index.ts'
import { formatCid } from '../values/index.ts'
import {
  dataGarbage,
  type Garbage,
  type GarbageKind,
  namingGarbage,
  neededParts,
  type PartLists,
  readPartLists,
  signatureGarbage
} from './garbage.ts'
import { withGcLock } from './gc-lock.ts'
import { removeLeftovers } from './leftovers.ts'
import { cacheGarbage } from './list-cache.ts'
import { type Amount, putBackAll, Remover } from './remover.ts'
import { findRoots, type HistoryNote, readReason, type StoreRoots } from './roots.ts'
import { partFiles } from './store-files.ts'

export interface GcOptions {
  /** Report what would be removed. Needs no permission to write. */
  dryRun: boolean
  /** Seconds. Files that were written or touched more recently stay. */
  graceSeconds: number
  /** Seconds. Records that have had no name for longer are not kept; without it, all are. */
  olderThanSeconds?: number
  /** Also remove files that can be compiled again. */
  objects: boolean
}

export const DEFAULT_GRACE_SECONDS = 86_400

export interface DroppedRecord {
  module: string
  record: string
  /** The reason given to `compose unpublish --reason`. */
  reason?: string
}

export interface GcReport {
  store: string
  dryRun: boolean
  kept: { modules: number; history: number; pins: number; blobs: number }
  /** Records that can no longer be reached by their ids. */
  dropped: DroppedRecord[]
  freed: Record<GarbageKind | 'leftovers', Amount>
  bytes: number
  /** Not needed, but younger than the grace period. */
  young: Amount
  /** Not needed, but owned by other users, who alone may remove them. */
  denied: Amount
}

/**
 * Doing so twice is fine. After a crash at any point nothing that is needed is missing, and the next run goes on.
 * @throws StrataError GC_UNSAFE if a file that tells what is needed cannot be read; nothing was removed then
 * @throws StrataError STORE_BUSY, STORE_READONLY
 */
export async function collectGarbage(store: Store, options: GcOptions): Promise<GcReport> {
  if (options.dryRun) return collect(store, options, await hostClock())
  await assertWritable(store)
  return withGcLock(store.root, async () => {
    await putBackAll(store.root)
    return collect(store, options, storeClock(store.root))
  })
}

/** For a dry run: users who only look may be unable to ask the store's file system for its time. */
const hostClock = async (): Promise<bigint> => BigInt(Date.now()) * 1_000_000n

const nanoseconds = (seconds: number): bigint => BigInt(Math.round(seconds * 1000)) * 1_000_000n

async function collect(store: Store, options: GcOptions, nowNs: bigint): Promise<GcReport> {
  const { dryRun, objects, olderThanSeconds } = options
  const graceNs = nanoseconds(options.graceSeconds)
  // A note younger than the grace period may belong to a record whose ref is about to be written.
  const historyNs =
    olderThanSeconds === undefined ? undefined : nanoseconds(Math.max(olderThanSeconds, options.graceSeconds))
  const droppedBeforeNs = historyNs === undefined ? undefined : nowNs - historyNs
  const roots = await findRoots(store, droppedBeforeNs) // from here on, publishers touch files before relying on them
  const dropped = await dropHistory(store.root, roots.dropped, droppedBeforeNs ?? 0n, dryRun)
  const remover = new Remover(store.root, nowNs - graceNs, dryRun)
  const freed = noneFreed()
  await removeAll(remover, cacheGarbage(store, roots.reach, { dropAll: objects, nowNs }), freed)
  await removeAll(remover, namingGarbage(store, roots.reach, objects), freed)
  await removeAll(remover, dataGarbage(store, roots.reach, objects), freed)
  freed.parts = await removeParts(store, remover)
  await removeAll(remover, signatureGarbage(store, roots.reach), freed) // after the records
  freed.leftovers = removeLeftovers(store.root, { nowNs, graceNs, dryRun })
  return report(store, dryRun, { roots, dropped, freed, remover })
}

/**
 * Removes the parts that no list names any more. A publisher writes the list after the parts, and then checks that they
 * are there. So either the lists that are read when the parts are aside name a part, or the publisher misses it.
 */
async function removeParts(store: Store, remover: Remover): Promise<Amount> {
  const readNeeded = async () => neededParts(await listsLeft(store, remover))
  const isNeeded = await readNeeded()
  const unneeded = [...partFiles(store.root)].map(({ path }) => path).filter(path => !isNeeded(path))
  const sizes = await remover.removeTogether(unneeded, readNeeded)
  await remover.settle()
  return { files: sizes.length, bytes: sizes.reduce((sum, bytes) => sum + bytes, 0) }
}

/** The part lists that exist after the removals so far. */
async function listsLeft(store: Store, remover: Remover): Promise<PartLists> {
  const lists = await readPartLists(store)
  for (const path of lists.keys()) if (remover.wouldBeGone(path)) lists.delete(path)
  return lists
}

/** Notes go before their records: a note without its record would stop the next collector. */
async function dropHistory(
  root: string,
  notes: HistoryNote[],
  keptFromNs: bigint,
  dryRun: boolean
): Promise<DroppedRecord[]> {
  const remover = new Remover(root, keptFromNs, dryRun)
  const dropped: DroppedRecord[] = []
  for (const { name, record, path } of notes) {
    const reason = readReason(root, path)
    if ((await remover.remove(path)) === undefined) continue
    dropped.push({
      module: formatModuleName(name),
      record: formatCid(record),
      ...(reason !== undefined && { reason })
    })
  }
  await remover.settle()
  return dropped
}

async function removeAll(
  remover: Remover,
  garbage: AsyncGenerator<Garbage>,
  freed: GcReport['freed']
): Promise<void> {
  for await (const { kind, path, neededBy } of garbage) {
    const bytes = await remover.remove(path, neededBy)
    if (bytes === undefined) continue
    freed[kind].files++
    freed[kind].bytes += bytes
  }
  await remover.settle()
}

const nothing = (): Amount => ({ files: 0, bytes: 0 })

const noneFreed = (): GcReport['freed'] => ({
  blobs: nothing(),
  data: nothing(),
  indexes: nothing(),
  objects: nothing(),
  signatures: nothing(),
  parts: nothing(),
  leftovers: nothing()
})

const report = (
  { root }: Store,
  dryRun: boolean,
  {
    roots,
    dropped,
    freed,
    remover
  }: { roots: StoreRoots; dropped: DroppedRecord[]; freed: GcReport['freed']; remover: Remover }
): GcReport => ({
  store: root,
  dryRun,
  kept: {
    modules: roots.modules,
    history: roots.history,
    pins: roots.pins,
    blobs: roots.reach.blobs.size
  },
  dropped,
  freed,
  bytes: Object.values(freed).reduce((sum, { bytes }) => sum + bytes, 0),
  young: remover.young,
  denied: remover.denied
})
