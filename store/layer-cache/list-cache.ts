/** Entries of the cache of packed layers: what is there, and what may go (spec/store-layout.md#gc). */
import { lstat } from 'node:fs/promises'
import { findBlob } from '../blob-store.ts'
import { type Digest, sha256Of } from '../digest.ts'
import { StrataError } from '../errors.ts'
import type { Garbage } from '../gc/garbage.ts'
import type { Reach } from '../gc/reach.ts'
import { cacheFiles } from '../gc/store-files.ts'
import { NOTE_ENDING } from '../object/data-identity.ts'
import type { Store } from '../store.ts'
import { CACHED_NOTE_ENDING, readCachedNote, removeCachedLayer } from './cached-layer.ts'
import type { CachedNote } from './cached-note.ts'

/** What no build asked for so long goes: it takes as much room as what it was made from. */
const UNUSED_NS = 30n * 86_400_000_000_000n

/** Paths of blobs that have a note, of this store. */
export async function* cachedLayers(root: string): AsyncGenerator<string> {
  for await (const { path, ending } of cacheFiles(root))
    if (ending === CACHED_NOTE_ENDING) yield path.slice(0, -ending.length)
}

export interface CacheGarbageOptions {
  /** Everything that can be made again. */
  dropAll: boolean
  nowNs: bigint
}

/** Notes, then what has none any more. */
export async function* cacheGarbage(
  store: Store,
  reach: Reach,
  { dropAll, nowNs }: CacheGarbageOptions
): AsyncGenerator<Garbage> {
  for await (const path of cachedLayers(store.root))
    if (dropAll || (await isUnneeded(store, reach, path, nowNs)))
      yield { kind: 'objects', path: `${path}${CACHED_NOTE_ENDING}` }
  for await (const { path, ending } of cacheFiles(store.root)) {
    if (ending !== '' && ending !== NOTE_ENDING) continue
    const blob = path.slice(0, path.length - ending.length)
    yield { kind: 'objects', path, neededBy: `${blob}${CACHED_NOTE_ENDING}` }
  }
}

async function isUnneeded(store: Store, reach: Reach, path: string, nowNs: bigint): Promise<boolean> {
  const mtimeNs = await noteTime(path)
  if (mtimeNs === undefined || mtimeNs < nowNs - UNUSED_NS) return true
  const note = await noteOf(store.root, path)
  if (note === undefined) return true
  const elsewhere = { ...store, searched: store.searched.filter(({ root }) => root !== store.root) }
  for (const layer of note.layers) {
    const isNeeded =
      reach.layers.has(sha256Of(layer)) || (await findBlob(elsewhere, sha256Of(layer))) !== undefined
    if (!isNeeded) return true
  }
  return false
}

/** Undefined where the note is gone meanwhile. */
async function noteTime(path: string): Promise<bigint | undefined> {
  try {
    return (await lstat(`${path}${CACHED_NOTE_ENDING}`, { bigint: true })).mtimeNs
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

/** Undefined where it is damaged, or gone meanwhile. */
async function noteOf(root: string, path: string): Promise<CachedNote | undefined> {
  try {
    return await readCachedNote(root, path)
  } catch (error) {
    const isFault = error instanceof StrataError || (error as NodeJS.ErrnoException).code === 'ENOENT'
    if (!isFault) throw error
  }
}

/**
 * What was made from layers whose access changed goes, before somebody reads it who may not any more.
 * @returns paths of what is another publisher's to remove
 */
export async function dropCachedLayers(root: string, changed: ReadonlySet<Digest>): Promise<string[]> {
  const left: string[] = []
  if (changed.size === 0) return left
  for await (const path of cachedLayers(root)) {
    const note = await noteOf(root, path)
    if (note !== undefined && !note.layers.some(layer => changed.has(sha256Of(layer)))) continue
    if (!(await removes(path))) left.push(path)
  }
  return left
}

/** Another user's, in a folder that is sticky, is his to remove. */
export const removes = (path: string): Promise<boolean> =>
  removeCachedLayer(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPERM' || error.code === 'EACCES') return false
      throw error
    }
  )
