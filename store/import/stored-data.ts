/**
 * Finds the contents of a tarball that is in the store already. If a tarball's hash is known before reading it, as from
 * an OCI image's config, they need not be packed again.
 */
import { DataFile, findBlob } from '../contents/index.ts'
import { dataPath, openStoreFile, type Store } from '../files/index.ts'
import { DATA_SCHEMA, type DataTables, type KnownTables, type Recipe, readRecipe } from '../object/index.ts'
import { type Digest, profileKey, StrataError } from '../values/index.ts'

/**
 * Undefined if the store has no data file of its profile, or if the file differs from its recipe or cannot be read. The
 * tarball is packed then, which repairs damage. The data file is read whole.
 */
export async function findStoredData(store: Store, tarball: Digest): Promise<KnownTables | undefined> {
  try {
    const found = findBlob({ ...store, searched: [store] }, tarball)
    if (found?.encoding !== '.recipe') return undefined
    const file = await openStoreFile(store.root, found.path)
    const recipe = await readRecipe(file).finally(() => file.close())
    if (profileKey(recipe.profile) !== profileKey(store.profile)) return undefined
    return await readCheckedData(store, tarball, recipe)
  } catch (error) {
    const isUnusable =
      error instanceof StrataError ||
      error instanceof RangeError ||
      (error as NodeJS.ErrnoException).code === 'ENOENT'
    if (isUnusable) return undefined
    throw error
  }
}

async function readCheckedData(
  { root, profile }: Store,
  tarball: Digest,
  { columns, dataSha256 }: Recipe
): Promise<KnownTables | undefined> {
  const data = await DataFile.openIfThere(root, dataPath(tarball, profile))
  if (data === undefined) return undefined
  try {
    const { dataBytes } = data.list
    await data.verify({ dataSha256 })
    return { tables: dataTables(columns), dataBytes, dataSha256 }
  } finally {
    await data.close()
  }
}

/** Leaves out the steps of the recipe, because a new recipe with its own steps is written. */
export const dataTables = (columns: DataTables): DataTables =>
  Object.fromEntries(
    Object.keys(DATA_SCHEMA).map(name => [name, columns[name as keyof DataTables]])
  ) as unknown as DataTables
