import { listedParts } from '../contents/index.ts'
import { DATA, dataPathBelow, foldersBelow, namesBelow, type StorePath } from '../files/index.ts'
import type { Part } from '../object/index.ts'
import { type Digest, StrataError } from '../values/index.ts'

/**
 * The tarballs that need each part, from all part lists of a store. Lists that are damaged or that this user may not
 * read are left out.
 */
export async function tarballsOfParts(root: string): Promise<ReadonlyMap<Digest, readonly Digest[]>> {
  const tarballs = new Map<Digest, Digest[]>()
  for (const profile of foldersBelow(root, DATA))
    for (const tarball of tarballsBelow(root, `${DATA}/${profile}`))
      for (const { sha256 } of await readableParts(root, dataPathBelow(profile, tarball)))
        tarballs.set(sha256, [...(tarballs.get(sha256) ?? []), tarball])
  return tarballs
}

function* tarballsBelow(root: string, folder: string): Generator<Digest> {
  for (const start of foldersBelow(root, folder))
    for (const name of namesBelow(root, `${folder}/${start}`))
      if (/^[0-9a-f]{62}$/.test(name)) yield `${start}${name}` as Digest
}

/** The parts that a part list names; none if it is damaged, gone, or closed to this user. */
export async function readableParts(root: string, path: StorePath): Promise<Part[]> {
  try {
    return await listedParts(root, path)
  } catch (error) {
    if (error instanceof StrataError) return []
    throw error
  }
}
