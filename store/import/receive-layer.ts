/**
 * Publishes a layer that was packed elsewhere, with its data file as it is: nothing is packed again. The order is that
 * of an import, so a file comes before those that name it.
 */
import { createHash } from 'node:crypto'
import type { CID } from 'multiformats/cid'
import type { LayerAccess } from '../access/index.ts'
import { DataFile, findBlob, openParts, putBlob, readBlob } from '../contents/index.ts'
import {
  blobPath,
  dataPath,
  indexPath,
  openStoreFile,
  partPath,
  type Store,
  storeFolder,
  type TemporaryFile
} from '../files/index.ts'
import type { LayerManifest } from '../module/index.ts'
import {
  type CheckedPart,
  hashFile,
  type PartedBytes,
  type Recipe,
  readRecipe,
  reconstructTar
} from '../object/index.ts'
import { bytesOf, type Digest, isDenied, profileKey, StrataError, sha256Of } from '../values/index.ts'
import { compileLayer } from './layer-object.ts'
import { type ProofOptions, proveLayer } from './prove-layer.ts'
import { hasHash, publishOrHeal } from './publish-file.ts'
import { publishPartList, publishTreeIndex } from './publish-object.ts'

const PIECE_BYTES = 1 << 20

/** A layer manifest and what it names, but for the tarball. */
export interface KnownLayer {
  id: CID
  bytes: Uint8Array
  manifest: LayerManifest
  /** Undefined also if the store has it. */
  sidecar?: Uint8Array
}

/** A tarball that came as a recipe and the parts of its data file, which are in the store by now. */
export interface ReceivedTar {
  recipeFile: TemporaryFile
  recipe: Recipe
  parts: CheckedPart[]
}

/** The recipe of a tarball that the store has whole, as far as can be seen without reading it, and may be read. */
export async function storedRecipe(store: Store, tar: Digest): Promise<Recipe | undefined> {
  const { root } = store
  const found = findBlob({ ...store, searched: [store] }, tar)
  if (found?.encoding !== '.recipe') return undefined
  try {
    const file = await openStoreFile(root, found.path)
    const recipe = await readRecipe(file).finally(() => file.close())
    const data = await DataFile.openIfThere(root, dataPath(tar, recipe.profile))
    await data?.close()
    const isWhole =
      data?.list.dataSha256.equals(recipe.dataSha256) &&
      data.list.parts.every(({ sha256 }) => storeFolder(root).isThere(partPath(sha256)))
    return isWhole ? recipe : undefined
  } catch (error) {
    if (error instanceof RangeError || error instanceof StrataError || isDenied(error)) return undefined
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** True if nothing of the layer has to be made: tarball and tree index are there. */
export const hasIndex = ({ root, profile }: Store, layer: CID): boolean =>
  storeFolder(root).isThere(indexPath(sha256Of(layer), profile))

/**
 * @param received undefined if the store has the tarball
 * @throws as proveLayer and publishOrHeal
 */
export async function receiveLayer(
  store: Store,
  layer: KnownLayer,
  received: ReceivedTar | undefined,
  options: ProofOptions & { access: LayerAccess }
): Promise<void> {
  const { id, bytes, manifest, sidecar } = layer
  const { access } = options
  const index =
    received === undefined
      ? hasIndex(store, id)
        ? undefined
        : await proveStored(store, layer, options)
      : await proveReceived(store, layer, received, options)
  if (received !== undefined) await publishTar(store, sha256Of(manifest.tar), received, access)
  if (sidecar !== undefined) await putBlob(store, sidecar, access.sidecar)
  await putBlob(store, bytes)
  if (index === undefined) return
  const { profile } = index
  if (profileKey(profile) === profileKey(store.profile))
    await publishTreeIndex(store.root, store.profile, id, index.tree, access.index)
  else await compileLayer(store, id, manifest, store.profile)
}

async function proveReceived(
  store: Store,
  { manifest, sidecar }: KnownLayer,
  { recipe, recipeFile, parts }: ReceivedTar,
  options: ProofOptions
) {
  const dataBytes = bytesOf(parts)
  const data = openParts({ storeRoot: store.root, parts, dataBytes })
  try {
    compareData(recipe, data, dataBytes)
    const chunks = reconstructTar(recipe, recipeFile.handle, data)
    return {
      tree: await proveLayer({ manifest, sidecar, recipe, chunks, data }, options),
      profile: recipe.profile
    }
  } finally {
    data.close()
  }
}

/** For a tarball that is here already: another layer has it, or its tree index is missing. */
async function proveStored(store: Store, { manifest, sidecar }: KnownLayer, options: ProofOptions) {
  const tar = sha256Of(manifest.tar)
  const recipe = await storedRecipe(store, tar)
  const file = recipe && (await DataFile.openIfThere(store.root, dataPath(tar, recipe.profile)))
  if (recipe === undefined || file === undefined)
    throw new StrataError('BLOB_MISSING', {
      message: `tarball sha256:${tar} was removed meanwhile`,
      hint: 'type the same command again'
    })
  try {
    await file.check({ dataSha256: recipe.dataSha256 })
    const chunks = readBlob({ ...store, searched: [store] }, tar)
    const tree = await proveLayer({ manifest, sidecar, recipe, chunks, data: file.parts }, options)
    return { tree, profile: recipe.profile }
  } finally {
    await file.close()
  }
}

/** @throws RangeError if the parts are not the data file that the recipe names */
function compareData({ dataSha256 }: Recipe, data: PartedBytes, dataBytes: number): void {
  const hash = createHash('sha256')
  const room = Buffer.allocUnsafe(Math.min(PIECE_BYTES, Math.max(1, dataBytes)))
  for (let at = 0; at < dataBytes; at += room.length) {
    const piece = room.subarray(0, Math.min(room.length, dataBytes - at))
    data.read(at, piece)
    hash.update(piece)
  }
  if (!hash.digest().equals(dataSha256)) throw new RangeError('its parts are not the data file of its recipe')
}

/** First the list of the parts, which are in the store, then the recipe that needs them. */
async function publishTar(
  { root }: Store,
  tar: Digest,
  { recipe, recipeFile, parts }: ReceivedTar,
  access: LayerAccess
): Promise<void> {
  const dataBytes = bytesOf(parts)
  const list = { dataBytes, dataSha256: recipe.dataSha256, parts }
  await publishPartList(root, recipe.profile, tar, list, access.tar)
  const path = blobPath(tar, '.recipe')
  const { sha256 } = await hashFile(recipeFile.handle)
  await publishOrHeal(root, recipeFile, path, access.tar, () => hasHash(root, path, sha256))
}
