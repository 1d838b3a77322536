/** What lies in the folders of a store that its collector looks through, by the names of the files. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Digest } from '../digest.ts'
import { BLOBS, DATA, OBJECTS, OCI } from '../store-layout.ts'
import { exists } from '../temporary-file.ts'

export interface StoreFile {
  /** Absolute. */
  path: string
  digest: Digest
  /** `.zst`, `.recipe`, `.index`, `.checked`, `.json`, or nothing. */
  ending: string
}

/** Blobs; what has another name is no blob, and left to fsck. */
export const blobFiles = (root: string): AsyncGenerator<StoreFile> => spreadFiles(join(root, BLOBS))

/** Data files and notes of checks, of all profiles. */
export const dataFiles = (root: string): AsyncGenerator<StoreFile> => profileFiles(join(root, DATA))

/** Tree indexes of layers, of all profiles. */
export const indexFiles = (root: string): AsyncGenerator<StoreFile> => profileFiles(join(root, OBJECTS))

/** Layers that are kept packed for OCI layouts, with their notes; a store from before there were such has no folder. */
export async function* cacheFiles(root: string): AsyncGenerator<StoreFile> {
  if (await exists(join(root, OCI))) yield* profileFiles(join(root, OCI))
}

async function* profileFiles(top: string): AsyncGenerator<StoreFile> {
  for (const profile of await foldersOf(top)) yield* spreadFiles(join(top, profile))
}

async function* spreadFiles(top: string): AsyncGenerator<StoreFile> {
  for (const start of await foldersOf(top)) {
    if (!/^[0-9a-f]{2}$/.test(start)) continue
    for (const name of await namesOf(join(top, start))) {
      const match = /^([0-9a-f]{62})(|\.[a-z]+)$/.exec(name)
      if (match !== null)
        yield {
          path: join(top, start, name),
          digest: `${start}${match[1]}` as Digest,
          ending: match[2]
        }
    }
  }
}

const namesOf = async (folder: string): Promise<string[]> => (await readdir(folder)).sort()

/** Links to folders are not followed. */
const foldersOf = async (folder: string): Promise<string[]> =>
  (await readdir(folder, { withFileTypes: true }))
    .filter(entry => entry.isDirectory())
    .map(({ name }) => name)
    .sort()
