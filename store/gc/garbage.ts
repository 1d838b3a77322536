/**
 * Lists files that nothing needs, in the order of their removal (spec/store-layout.md#gc): a file that names another
 * goes before it, so that a collector that is killed leaves no half of a tarball.
 */
import { findBlob, listedParts, NOTE_ENDING } from '../contents/index.ts'
import { blobPath, partPath, type Store, type StorePath } from '../files/index.ts'
import type { Part } from '../object/index.ts'
import { signatureFiles } from '../signatures/index.ts'
import { StrataError, sha256Of } from '../values/index.ts'
import { dataFileOf } from './keep.ts'
import type { Reach } from './reach.ts'
import { blobFiles, dataFiles, indexFiles, type StoreFile } from './store-files.ts'

/** Objects can be made again: tree indexes and data files of other profiles, for needed layers, and packed layers. */
export type GarbageKind = 'blobs' | 'data' | 'indexes' | 'objects' | 'parts' | 'signatures'

export interface Garbage {
  kind: GarbageKind
  path: StorePath
  /** A file that keeps this one if it exists. It is looked for again after this one was moved aside. */
  neededBy?: StorePath
}

/** Tree indexes, then blobs. Data files must wait until these are finally removed. */
export async function* namingGarbage(
  store: Store,
  reach: Reach,
  dropObjects: boolean
): AsyncGenerator<Garbage> {
  for (const { path, digest, ending } of indexFiles(store.root)) {
    const isNeeded = reach.layers.has(digest)
    if (isNeeded && !dropObjects) continue
    const neededBy = ending.endsWith(NOTE_ENDING) ? path.slice(0, -NOTE_ENDING.length) : undefined
    yield { kind: isNeeded ? 'objects' : 'indexes', path, ...(neededBy && { neededBy }) }
  }
  for (const { path, digest } of blobFiles(store.root))
    if (!reach.blobs.has(digest)) yield { kind: 'blobs', path }
}

/** Signatures of records that are gone, or go now. One stays as long as any store has its record. */
export async function* signatureGarbage(store: Store, reach: Reach): AsyncGenerator<Garbage> {
  const others = { ...store, searched: store.searched.filter(({ root }) => root !== store.root) }
  const own = { ...store, searched: [store] }
  for (const { path, record } of signatureFiles(store.root)) {
    if (record === undefined || reach.blobs.has(sha256Of(record))) continue
    if (findBlob(others, sha256Of(record)) !== undefined) continue
    const neededBy = findBlob(own, sha256Of(record))?.path
    yield { kind: 'signatures', path, ...(neededBy && { neededBy }) }
  }
}

/** Data files, and the notes beside them. */
export async function* dataGarbage(
  store: Store,
  reach: Reach,
  dropObjects: boolean
): AsyncGenerator<Garbage> {
  for (const file of dataFiles(store.root)) {
    if (reach.tars.has(file.digest)) {
      if (dropObjects && !(await isPartOfTarball(store, file))) yield { kind: 'objects', path: file.path }
    } else yield unneededData(file)
  }
}

/**
 * A recipe that exists, because it is young or another user's, keeps the data files of its tarball: an importer writes
 * a recipe and only then checks for the data file.
 */
function unneededData({ path, digest, ending }: StoreFile): Garbage {
  if (ending === NOTE_ENDING) return { kind: 'data', path, neededBy: path.slice(0, -NOTE_ENDING.length) }
  return { kind: 'data', path, neededBy: blobPath(digest, '.recipe') }
}

/** @throws StrataError, RangeError if the recipe cannot be read, so that the answer is unknown */
async function isPartOfTarball(store: Store, { path, digest, ending }: StoreFile): Promise<boolean> {
  const found = findBlob({ ...store, searched: [store] }, digest)
  if (found?.encoding !== '.recipe') return false
  const data = await dataFileOf(found, digest)
  return path === data || (ending === NOTE_ENDING && path === `${data}${NOTE_ENDING}`)
}

/** The parts that each part list names; undefined for lists that are damaged or that this user may not read. */
export type PartLists = Map<StorePath, readonly Part[] | undefined>

export async function readPartLists(store: Store): Promise<PartLists> {
  const lists: PartLists = new Map()
  for (const { path, ending } of dataFiles(store.root))
    if (ending === '') lists.set(path, await readList(store, path))
  return lists
}

async function readList(store: Store, path: StorePath): Promise<readonly Part[] | undefined> {
  try {
    return await listedParts(store.root, path)
  } catch (error) {
    if (error instanceof StrataError) return undefined
    throw error
  }
}

/** Tells the parts that these lists name: all parts, if there are lists that cannot be read. */
export function neededParts(lists: PartLists): (path: StorePath) => boolean {
  const needed = new Set<StorePath>()
  for (const parts of lists.values()) {
    if (parts === undefined) return () => true
    for (const { sha256 } of parts) needed.add(partPath(sha256))
  }
  return path => needed.has(path)
}
