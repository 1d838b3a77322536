/** Lists entries of the cache of packed layers: all of them, and those that may go (spec/store-layout.md#gc). */
import { findBlob, NOTE_ENDING } from '../contents/index.ts'
import { mtimeOf, type Store, type StorePath, storeFolder } from '../files/index.ts'
import {
  CACHED_NOTE_ENDING,
  type CachedNote,
  readCachedNote,
  removeCachedLayer
} from '../layer-cache/index.ts'
import { type Digest, StrataError, sha256Of } from '../values/index.ts'
import type { Garbage } from './garbage.ts'
import type { Reach } from './reach.ts'
import { cacheFiles } from './store-files.ts'

/** A packed layer takes as much room as the layer itself, so it goes when no build has used it for this time. */
const UNUSED_NS = 30n * 86_400_000_000_000n

/** Paths of this store's blobs that have a note. */
export function* listCachedLayers(root: string): Generator<StorePath> {
  for (const { path, ending } of cacheFiles(root))
    if (ending === CACHED_NOTE_ENDING) yield path.slice(0, -ending.length)
}

export interface CacheGarbageOptions {
  /** Take all entries, since they can be made again. */
  dropAll: boolean
  nowNs: bigint
}

/** Notes first, then files without a note. */
export async function* cacheGarbage(
  store: Store,
  reach: Reach,
  { dropAll, nowNs }: CacheGarbageOptions
): AsyncGenerator<Garbage> {
  for (const path of listCachedLayers(store.root))
    if (dropAll || (await isUnneeded(store, reach, path, nowNs)))
      yield { kind: 'objects', path: `${path}${CACHED_NOTE_ENDING}` }
  for (const { path, ending } of cacheFiles(store.root)) {
    if (ending !== '' && ending !== NOTE_ENDING) continue
    const blob = path.slice(0, path.length - ending.length)
    yield { kind: 'objects', path, neededBy: `${blob}${CACHED_NOTE_ENDING}` }
  }
}

async function isUnneeded(store: Store, reach: Reach, path: StorePath, nowNs: bigint): Promise<boolean> {
  const status = storeFolder(store.root).status(`${path}${CACHED_NOTE_ENDING}`)
  if (status === undefined || mtimeOf(status) < nowNs - UNUSED_NS) return true
  const note = await noteOf(store.root, path)
  if (note === undefined) return true
  const elsewhere = { ...store, searched: store.searched.filter(({ root }) => root !== store.root) }
  for (const layer of note.layers) {
    const isNeeded = reach.layers.has(sha256Of(layer)) || findBlob(elsewhere, sha256Of(layer)) !== undefined
    if (!isNeeded) return true
  }
  return false
}

/** Undefined if the note is damaged or gone. */
async function noteOf(root: string, path: StorePath): Promise<CachedNote | undefined> {
  try {
    return await readCachedNote(root, path)
  } catch (error) {
    const isFault = error instanceof StrataError || (error as NodeJS.ErrnoException).code === 'ENOENT'
    if (!isFault) throw error
  }
}

/**
 * Removes packed layers that were made from layers with changed access, before anybody reads them who may not any more.
 * @returns paths of files that only another publisher can remove
 */
export async function dropCachedLayers(root: string, changed: ReadonlySet<Digest>): Promise<StorePath[]> {
  const left: StorePath[] = []
  if (changed.size === 0) return left
  for (const path of listCachedLayers(root)) {
    const note = await noteOf(root, path)
    if (note !== undefined && !note.layers.some(layer => changed.has(sha256Of(layer)))) continue
    if (!tryRemoveCached(root, path)) left.push(path)
  }
  return left
}

/** Removes an entry. @returns false for another user's entry in a sticky folder, which only they can remove */
export function tryRemoveCached(root: string, path: StorePath): boolean {
  try {
    removeCachedLayer(root, path)
    return true
  } catch (error) {
    if (['EPERM', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return false
    throw error
  }
}
