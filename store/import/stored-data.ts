/**
 * Contents of a tarball that is in the store already. Whoever knows a tarball's hash before he reads it, as an OCI
 * image's config says it, need not pack them again.
 */
import { findBlob, noteChecked } from '../contents/index.ts'
import { dataPath, openStoreFile, type Store } from '../files/index.ts'
import {
  DATA_SCHEMA,
  type DataTables,
  hashFile,
  type KnownTables,
  type Recipe,
  readRecipe
} from '../object/index.ts'
import { type Digest, profileKey, StrataError } from '../values/index.ts'

/**
 * Undefined where the store has none of its profile, the data file is not what its recipe says, or is not ours to
 * read: then the tarball has to be packed, which heals what is damaged. The data file is read whole.
 */
export async function findStoredData(store: Store, tarball: Digest): Promise<KnownTables | undefined> {
  try {
    const found = findBlob({ ...store, searched: [store] }, tarball)
    if (found?.encoding !== '.recipe') return undefined
    const file = await openStoreFile(store.root, found.path)
    const recipe = await readRecipe(file).finally(() => file.close())
    if (profileKey(recipe.profile) !== profileKey(store.profile)) return undefined
    return await checkedData(store, tarball, recipe)
  } catch (error) {
    const isUnusable =
      error instanceof StrataError ||
      error instanceof RangeError ||
      (error as NodeJS.ErrnoException).code === 'ENOENT'
    if (isUnusable) return undefined
    throw error
  }
}

async function checkedData(
  { root, profile }: Store,
  tarball: Digest,
  { columns, dataSha256 }: Recipe
): Promise<KnownTables | undefined> {
  const path = dataPath(tarball, profile)
  const file = await openStoreFile(root, path)
  try {
    const { sizeBytes, sha256 } = await hashFile(file)
    if (!sha256.equals(dataSha256)) return undefined
    await noteChecked(root, path, file, sha256.toString('hex'))
    return { tables: dataTables(columns), dataBytes: sizeBytes, dataSha256 }
  } finally {
    await file.close()
  }
}

/** Without the steps of the recipe: another is written, with its own. */
const dataTables = (columns: DataTables): DataTables =>
  Object.fromEntries(
    Object.keys(DATA_SCHEMA).map(name => [name, columns[name as keyof DataTables]])
  ) as unknown as DataTables
