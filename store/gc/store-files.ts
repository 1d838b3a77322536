/** Files in the folders of a store that its collector searches, by their names. */
import { BLOBS, DATA, foldersBelow, namesBelow, OBJECTS, OCI, PARTS, type StorePath } from '../files/index.ts'
import type { Digest } from '../values/index.ts'

export interface StoreFile {
  path: StorePath
  digest: Digest
  /** `.zst`, `.recipe`, `.index`, `.index.checked`, `.checked`, `.json`, or nothing. */
  ending: string
}

/** Blobs. Files with other names are left to fsck. */
export const blobFiles = (root: string): Generator<StoreFile> => spreadFiles(root, BLOBS)

/** Part lists of data files, and notes of checks, of all profiles. */
export const dataFiles = (root: string): Generator<StoreFile> => profileFiles(root, DATA)

/** Parts of data files. */
export const partFiles = (root: string): Generator<StoreFile> => spreadFiles(root, PARTS)

/** Tree indexes of layers and notes of checks, of all profiles. */
export const indexFiles = (root: string): Generator<StoreFile> => profileFiles(root, OBJECTS)

/** Layers that are kept packed for OCI layouts, with their notes. Old stores have no such folder. */
export const cacheFiles = (root: string): Generator<StoreFile> => profileFiles(root, OCI)

function* profileFiles(root: string, area: StorePath): Generator<StoreFile> {
  for (const profile of foldersBelow(root, area)) yield* spreadFiles(root, `${area}/${profile}`)
}

function* spreadFiles(root: string, area: StorePath): Generator<StoreFile> {
  for (const start of foldersBelow(root, area)) {
    if (!/^[0-9a-f]{2}$/.test(start)) continue
    for (const name of namesBelow(root, `${area}/${start}`)) {
      const match = /^([0-9a-f]{62})(|\.[a-z]+|\.index\.checked)$/.exec(name)
      if (match === null) continue
      yield { path: `${area}/${start}/${name}`, digest: `${start}${match[1]}` as Digest, ending: match[2] }
    }
  }
}
