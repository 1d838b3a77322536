/**
 * Before a name stands for a record, and before a pin is relied upon: all that it needs is touched, and is there
 * (spec/store-layout.md#gc).
 */
import { join } from 'node:path'
import { type FoundBlob, findBlob } from '../contents/index.ts'
import {
  dataPath,
  openStoreFile,
  type Store,
  type StorePath,
  storeFolder,
  touchFiles
} from '../files/index.ts'
import { readRecipe } from '../object/index.ts'
import { count, type Digest, formatCid, isDenied, StrataError } from '../values/index.ts'
import { Reach, type Roots } from './reach.ts'

/**
 * What a publisher may not read himself, because a group that he is not in had it first, is touched and not looked into.
 * What lies in other stores is none of this store's collector's business: there it has to be, no more.
 * @throws StrataError BLOB_MISSING when something is gone; BLOB_CORRUPT, MANIFEST_INVALID
 */
export async function keepReachable(store: Store, roots: Roots): Promise<void> {
  const { blobs } = await new Reach(store).add(roots, isDenied)
  const own: StorePath[] = []
  const data: { root: string; path: StorePath }[] = []
  const gone: string[] = []
  for (const digest of blobs) {
    const found = findBlob(store, digest)
    if (found === undefined) gone.push(`sha256:${digest}`)
    else if (found.store.root === store.root) own.push(found.path)
    if (found?.encoding !== '.recipe') continue
    const dataFiles = await dataFilesKnown(found, digest)
    if (dataFiles === undefined) gone.push(`sha256:${digest}`)
    else data.push(...dataFiles.map(path => ({ root: found.store.root, path })))
  }
  const shown = (root: string, path: StorePath) => storeFolder(root).shown(path)
  gone.push(...touchFiles(store.root, own).map(path => shown(store.root, path)))
  // After the recipes: a collector takes no data file whose recipe is there.
  for (const { root, path } of data) if (!storeFolder(root).isThere(path)) gone.push(shown(root, path))
  if (gone.length > 0) throw missing(gone, roots)
}

/** The data file that is part of a tarball: of the profile that its recipe names. */
export async function dataFileOf({ store, path }: FoundBlob, tarball: Digest): Promise<StorePath> {
  const file = await openStoreFile(store.root, path)
  try {
    return dataPath(tarball, (await readRecipe(file)).profile)
  } catch (error) {
    throw error instanceof RangeError ? damagedRecipe(join(store.root, path), error) : error
  } finally {
    await file.close()
  }
}

const damagedRecipe = (path: string, cause: Error): StrataError =>
  new StrataError('BLOB_CORRUPT', {
    message: `recipe ${path} is damaged: ${cause.message}`,
    facts: { file: path },
    hint: 'compose fsck --repair fetches it from another store, where one has it',
    cause
  })

/** None where the recipe may not be read; undefined where a collector took it since it was found. */
const dataFilesKnown = (found: FoundBlob, tarball: Digest): Promise<StorePath[] | undefined> =>
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
    message: `${count(gone.length, 'file')} that the module needs cannot be found: compose gc may have removed them meanwhile`,
    facts: { for: [...records, ...layers].map(formatCid), missing: gone },
    hint: 'do it again; a longer --grace keeps what is being imported'
  })
