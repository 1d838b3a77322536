/**
 * Protects files before a name stands for a record, and before a pin is relied upon: everything needed is touched, and
 * then checked to be there (spec/store-layout.md#gc).
 */
import { join } from 'node:path'
import { type FoundBlob, findBlob, listedParts } from '../contents/index.ts'
import {
  dataPath,
  openStoreFile,
  partPath,
  type Store,
  type StorePath,
  storeFolder,
  touchFiles
} from '../files/index.ts'
import { readRecipe } from '../object/index.ts'
import { count, type Digest, formatCid, isDenied, StrataError } from '../values/index.ts'
import { Reach, type Roots } from './reach.ts'

/**
 * Files that publishers may not read, because they belong to groups that the publishers are not in, are touched but not
 * read. Files in other stores only have to exist, because this store's collector does not touch them.
 * @throws StrataError BLOB_MISSING if a file is gone; BLOB_CORRUPT, MANIFEST_INVALID
 */
export async function keepReachable(store: Store, roots: Roots): Promise<void> {
  const { blobs } = await new Reach(store).add(roots, isDenied)
  const own: StorePath[] = []
  const data: StoredFile[] = []
  const gone: string[] = []
  for (const digest of blobs) {
    const found = findBlob(store, digest)
    if (found === undefined) gone.push(`sha256:${digest}`)
    else if (found.store.root === store.root) own.push(found.path)
    if (found?.encoding !== '.recipe') continue
    const dataFiles = await knownDataFiles(found, digest)
    if (dataFiles === undefined) gone.push(`sha256:${digest}`)
    else data.push(...dataFiles.map(path => ({ root: found.store.root, path })))
  }
  gone.push(...touchFiles(store.root, own).map(path => showFile({ root: store.root, path })))
  // Checked after the recipes: a collector keeps data files whose recipe exists.
  for (const file of data) gone.push(...(await keepParts(store, file)))
  if (gone.length > 0) throw missingFiles(gone, roots)
}

interface StoredFile {
  root: string
  path: StorePath
}

const showFile = ({ root, path }: StoredFile): string => storeFolder(root).displayPath(path)

/** Protects the parts of a data file, as far as its list may be read. @returns the files that are gone */
async function keepParts(store: Store, list: StoredFile): Promise<string[]> {
  const { root, path } = list
  if (!storeFolder(root).isThere(path)) return [showFile(list)]
  const parts = await listedParts(root, path).catch(error => {
    if (isDenied(error)) return []
    throw error
  })
  const paths = parts.map(({ sha256 }) => partPath(sha256))
  const gone =
    root === store.root ? touchFiles(root, paths) : paths.filter(part => !storeFolder(root).isThere(part))
  return gone.map(part => showFile({ root, path: part }))
}

/** The data file that belongs to a tarball, for the profile that its recipe names. */
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

/** Empty if the recipe may not be read; undefined if a collector has taken it since it was found. */
const knownDataFiles = (found: FoundBlob, tarball: Digest): Promise<StorePath[] | undefined> =>
  dataFileOf(found, tarball).then(
    path => [path],
    (error: NodeJS.ErrnoException) => {
      if (isDenied(error)) return []
      if (error.code === 'ENOENT') return undefined
      throw error
    }
  )

const missingFiles = (gone: string[], { records, layers }: Roots): StrataError =>
  new StrataError('BLOB_MISSING', {
    message: `${count(gone.length, 'file')} that the module needs cannot be found: compose gc may have removed them meanwhile`,
    facts: { for: [...records, ...layers].map(formatCid), missing: gone },
    hint: 'type the same command again; a longer --grace of compose gc spares files of imports at work'
  })
