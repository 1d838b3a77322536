/**
 * Layers into the LevelDB of a store. One process at a time can: LevelDB's lock says which, and who does not get it
 * leaves the layer to a later one. Readers never wait (facts-view.ts).
 */
import { randomBytes } from 'node:crypto'
import { access, chmod, constants, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Digest } from '../digest.ts'
import { sha256Of } from '../digest.ts'
import type { LayerManifest } from '../module/layer-manifest.ts'
import { TMP } from '../store-layout.ts'
import { makeFolder, syncFolder } from '../temporary-file.ts'
import { type FactsFolder, factsFolders, nextFactsFolder, ownUid } from './facts-folder.ts'
import {
  contentKey,
  encodeFacts,
  FORMAT,
  FORMAT_KEY,
  layerKey,
  NOTHING,
  nameKey,
  withNumber
} from './facts-keys.ts'
import { type FactsDatabase, openDatabase, openFactsViews, readLayers } from './facts-view.ts'
import { pathNames, type TreeNames } from './tree-search.ts'

const HASH_BYTES = 32
/** A batch is held in memory. */
const BATCH_KEYS = 50_000

export interface LayerToAdd {
  layer: Digest
  /** Asked only when the layer is not in the database yet; undefined when it cannot be added. */
  read(): Promise<{ manifest: LayerManifest; tree: TreeNames & { contentHash: Uint8Array } } | undefined>
}

export interface AddLayersOptions {
  /** Do not add to what is there, but make it anew. */
  rebuild: boolean
  /** After so many milliseconds the rest is left to a later call. */
  budgetMs: number
}

/**
 * @returns whether all layers that can be read are in it now
 * @throws Error of LevelDB or the system when nothing can be written, another process being at it included
 */
export async function addLayers(
  root: string,
  layers: LayerToAdd[],
  { rebuild, budgetMs }: AddLayersOptions
): Promise<boolean> {
  const folders = factsFolders(root)
  const ours = folders.filter(({ uid }) => uid === ownUid())
  const wanted = rebuild ? layers : await withoutCovered(root, layers)
  const there = rebuild ? undefined : await openExisting(ours)
  if (there !== undefined) return fillAndClose(ours[0].path, there, wanted, budgetMs)
  if (wanted.length === 0 && !rebuild) return true
  const own = join(root, TMP, randomBytes(16).toString('hex'))
  try {
    const db = await openDatabase(own, true)
    await db.put(FORMAT_KEY, FORMAT)
    const isComplete = await fillAndClose(own, db, wanted, budgetMs)
    const folder = nextFactsFolder(root, folders)
    await makeFolder(dirname(folder), join(root, TMP))
    await rename(own, folder) // refused when another process was first: rename(2) replaces only an empty folder
    await syncFolder(dirname(folder))
    for (const { path } of rebuild ? folders : ours) await removeOld(path)
    return isComplete
  } finally {
    await rm(own, { recursive: true, force: true })
  }
}

/** What other users' databases cover need not be in ours. */
async function withoutCovered(root: string, layers: LayerToAdd[]): Promise<LayerToAdd[]> {
  const covered = new Set<Digest>()
  for (const view of await openFactsViews(root, ownUid())) {
    for (const layer of view.layers.keys()) covered.add(layer)
    await view.close()
  }
  return layers.filter(({ layer }) => !covered.has(layer))
}

/** That of another user may have to stay: it is not wrong, only in excess. */
const removeOld = (folder: string): Promise<void> =>
  rm(folder, { recursive: true, force: true }).catch(() => undefined)

/** @returns undefined when there is none that can be used: it is absent, damaged or of another format */
async function openExisting([newest]: FactsFolder[]): Promise<FactsDatabase | undefined> {
  if (newest === undefined) return undefined
  await access(newest.path, constants.W_OK)
  let db: FactsDatabase
  try {
    db = await openDatabase(newest.path, false)
  } catch (error) {
    if (isDamage(error)) return undefined
    throw error
  }
  try {
    await readLayers(db)
    return db
  } catch (error) {
    await db.close()
    if (isDamage(error) || error instanceof RangeError) return undefined
    throw error
  }
}

/** A lock, a full disk or a missing permission must not lead to a second database. */
function isDamage(error: unknown): boolean {
  const { code, cause } = error as NodeJS.ErrnoException
  const { code: causeCode, message = '' } = (cause ?? {}) as NodeJS.ErrnoException
  return (
    [code, causeCode].includes('LEVEL_CORRUPTION') ||
    // LevelDB's words for a folder without CURRENT, or with one that names nothing.
    /does not exist|non-existent file|No such file/.test(message)
  )
}

async function fillAndClose(
  folder: string,
  db: FactsDatabase,
  layers: LayerToAdd[],
  budgetMs: number
): Promise<boolean> {
  try {
    return await fill(db, layers, performance.now() + budgetMs)
  } finally {
    await db.close()
    await openToReaders(folder)
  }
}

/** LevelDB makes its files as the umask says, and with a strict one nobody else could read them. */
async function openToReaders(folder: string): Promise<void> {
  await chmod(folder, 0o755)
  for (const name of await readdir(folder)) await chmod(join(folder, name), 0o644)
}

async function fill(db: FactsDatabase, layers: LayerToAdd[], deadline: number): Promise<boolean> {
  const there = await readLayers(db)
  let number = Math.max(0, ...Array.from(there.values(), facts => facts.number))
  let added = 0
  let isComplete = true
  for (const { layer, read } of layers) {
    if (there.has(layer)) continue
    isComplete &&= performance.now() < deadline
    if (!isComplete) break
    const found = await read()
    if (found === undefined) continue
    number++
    added++
    const { manifest, tree } = found
    await putKeys(db, number, tree)
    const facts = {
      number,
      tar: sha256Of(manifest.tar),
      sidecar: manifest.sidecar && sha256Of(manifest.sidecar)
    }
    await db.put(layerKey(layer), encodeFacts(facts)) // last: it says that the rest is there
    there.set(layer, facts)
  }
  // From the log into a table, beyond all keys so that nothing is compacted: a log would be read by each reader anew.
  if (added > 0) await db.compactRange(Buffer.from([0xff]), Buffer.from([0xff, 0xff]))
  return isComplete
}

async function putKeys(
  db: FactsDatabase,
  number: number,
  tree: TreeNames & { contentHash: Uint8Array }
): Promise<void> {
  let batch = db.batch()
  for (const start of keyStarts(tree)) {
    batch.put(withNumber(start, number), NOTHING)
    if (batch.length < BATCH_KEYS) continue
    await batch.write()
    batch = db.batch()
  }
  await batch.write()
}

function* keyStarts(tree: TreeNames & { contentHash: Uint8Array }): Generator<Buffer> {
  for (const name of pathNames(tree)) yield nameKey(name)
  for (let at = 0; at < tree.contentHash.length; at += HASH_BYTES)
    yield contentKey(tree.contentHash.subarray(at, at + HASH_BYTES))
}
