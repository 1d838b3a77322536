/**
 * Before a name stands for a record, and before a pin is relied upon: all that it needs is touched, and is there
 * (spec/store-layout.md#gc).
 */
import { join } from 'node:path'
import { isDenied } from '../access/denied.ts'
import { openStoreFile } from '../access/open-file.ts'
import { type FoundBlob, findBlob } from '../blob-store.ts'
import { type Digest, formatCid } from '../digest.ts'
import { StrataError } from '../errors.ts'
import { readRecipe } from '../object/recipe.ts'
import type { Store } from '../store.ts'
import { dataPath } from '../store-layout.ts'
import { Reach, type Roots } from './reach.ts'
import { isThere, touchFiles } from './touch.ts'

/**
 * What a publisher may not read himself, because a group that he is not in had it first, is touched and not looked into.
 * What lies in other stores is none of this store's collector's business: there it has to be, no more.
 * @throws StrataError BLOB_MISSING when something is gone; BLOB_CORRUPT, MANIFEST_INVALID
 */
export async function keepReachable(store: Store, roots: Roots): Promise<void> {
  const { blobs } = await new Reach(store).add(roots, isDenied)
  const own: string[] = []
  const data: string[] = []
  const gone: string[] = []
  for (const digest of blobs) {
    const found = await findBlob(store, digest)
    if (found === undefined) gone.push(`sha256:${digest}`)
    else if (found.store.root === store.root) own.push(found.path)
    if (found?.encoding !== '.recipe') continue
    const dataFiles = await dataFilesKnown(found, digest)
    if (dataFiles === undefined) gone.push(`sha256:${digest}`)
    else data.push(...dataFiles)
  }
  gone.push(...(await touchFiles(store.root, own)))
  // After the recipes: a collector takes no data file whose recipe is there.
  for (const path of data) if (!(await isThere(path))) gone.push(path)
  if (gone.length > 0) throw missing(gone, roots)
}

/** The data file that is part of a tarball: of the profile that its recipe names. */
export async function dataFileOf({ store, path }: FoundBlob, tarball: Digest): Promise<string> {
  const file = await openStoreFile(store.root, path)
  try {
    return join(store.root, dataPath(tarball, (await readRecipe(file)).profile))
  } finally {
    await file.close()
  }
}

/** None where the recipe may not be read; undefined where a collector took it since it was found. */
const dataFilesKnown = (found: FoundBlob, tarball: Digest): Promise<string[] | undefined> =>
  dataFileOf(found, tarball).then(
    path => [path],
    (error: NodeJS.ErrnoException) => {
      if (isDenied(error)) return []
      if (error.code === 'ENOENT') return undefined
      throw error
    }
  )

const missing = (gone: string[], { records, layers }: Roots): StrataError =>
  new StrataError('BLOB_MISSING', {
    message: `${gone.length} files that are needed are gone: compose gc may have removed them meanwhile`,
    facts: { for: [...records, ...layers].map(formatCid), missing: gone },
    hint: 'do it again; a longer --grace keeps what is being imported'
  })
