/**
 * Files that nothing needs, in the order in which they may go (spec/store-layout.md#gc): what names something goes
 * before what it names, so that a collector that is killed leaves no half of a tarball.
 */
import { findBlob, NOTE_ENDING } from '../contents/index.ts'
import { blobPath, type Store, type StorePath } from '../files/index.ts'
import { dataFileOf } from './keep.ts'
import type { Reach } from './reach.ts'
import { blobFiles, dataFiles, indexFiles, type StoreFile } from './store-files.ts'

/**
 * Objects are tree indexes and data files of other profiles, of needed layers, and layers that are kept packed: they can
 * be made again.
 */
export type GarbageKind = 'blobs' | 'data' | 'indexes' | 'objects'

export interface Garbage {
  kind: GarbageKind
  path: StorePath
  /** A file that needs it, should it be there; looked for once more when this one is aside. */
  neededBy?: StorePath
}

/** Tree indexes, then blobs. Data files must wait until these are gone for good. */
export async function* namingGarbage(
  store: Store,
  reach: Reach,
  dropObjects: boolean
): AsyncGenerator<Garbage> {
  for (const { path, digest } of indexFiles(store.root)) {
    const isNeeded = reach.layers.has(digest)
    if (!isNeeded || dropObjects) yield { kind: isNeeded ? 'objects' : 'indexes', path }
  }
  for (const { path, digest } of blobFiles(store.root))
    if (!reach.blobs.has(digest)) yield { kind: 'blobs', path }
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
 * A recipe that is there, because it is young or another user's, keeps the data files of its tarball; and an importer
 * writes a recipe only to look for the data file afterwards.
 */
function unneededData({ path, digest, ending }: StoreFile): Garbage {
  if (ending === NOTE_ENDING) return { kind: 'data', path, neededBy: path.slice(0, -NOTE_ENDING.length) }
  return { kind: 'data', path, neededBy: blobPath(digest, '.recipe') }
}

/** @throws StrataError, RangeError when the recipe cannot be read: then nobody knows */
async function isPartOfTarball(store: Store, { path, digest, ending }: StoreFile): Promise<boolean> {
  const found = findBlob({ ...store, searched: [store] }, digest)
  if (found?.encoding !== '.recipe') return false
  const data = await dataFileOf(found, digest)
  return path === data || (ending === NOTE_ENDING && path === `${data}${NOTE_ENDING}`)
}
