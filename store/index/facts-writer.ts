/**
 * Layers into the LevelDB of a store. One process at a time can: LevelDB's lock says which, and who does not get it
 * leaves the layer to a later one. Readers never wait (facts-view.ts).
 */
import { closeSync } from 'node:fs'
import { access, constants } from 'node:fs/promises'
import { isMainThread } from 'node:worker_threads'
import { chmodAt, readDirAt } from '../../native/index.ts'
import { parentOf, type StorePath, storeFolder, unusedPath } from '../files/index.ts'
import type { LayerManifest } from '../module/index.ts'
import { type Digest, sha256Of } from '../values/index.ts'
import { type FactsFolder, factsFolders, nextFactsFolder, ownUid } from './facts-folder.ts'
import { encodeFacts, FORMAT, FORMAT_KEY, layerKey, NOTHING, nameKey, withNumber } from './facts-keys.ts'
import { type FactsDatabase, openDatabase, openFactsViews, readLayers } from './facts-view.ts'
import { openFactsFolder, pathOfDescriptor, removeFactsFolder } from './open-folder.ts'
import { pathNames, type TreeNames } from './tree-search.ts'

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
  return withSafeUmask(async () => {
    const folders = factsFolders(root)
    const ours = folders.filter(({ uid }) => uid === ownUid())
    const wanted = rebuild ? layers : await withoutCovered(root, layers)
    const there = rebuild ? undefined : await openExisting(ours)
    if (there !== undefined) return fillAndClose(there, wanted, budgetMs)
    if (wanted.length === 0 && !rebuild) return true
    const isComplete = await makeAnew(root, nextFactsFolder(folders), wanted, budgetMs)
    for (const folder of rebuild ? folders : ours) removeOld(folder)
    return isComplete
  })
}

/**
 * LevelDB makes files as the umask says. One that others could write to for a moment would not be believed any more.
 * Only ever stricter than it was, since other files may be made meanwhile.
 */
async function withSafeUmask<T>(work: () => Promise<T>): Promise<T> {
  if (!isMainThread) return work() // a worker cannot set it
  const before = process.umask()
  process.umask(before | 0o022)
  try {
    return await work()
  } finally {
    process.umask(before)
  }
}

/** Ours, open. */
interface OpenFacts {
  db: FactsDatabase
  /** Of its folder. */
  fd: number
}

async function makeAnew(
  root: string,
  target: StorePath,
  layers: LayerToAdd[],
  budgetMs: number
): Promise<boolean> {
  const store = storeFolder(root)
  const own = { root, path: unusedPath(), uid: ownUid() }
  store.mkdir(own.path, 0o700)
  try {
    const isComplete = await fillAndClose(await openNew(own), layers, budgetMs)
    await store.makeFolder(parentOf(target))
    store.rename(own.path, target) // refused when another process was first: rename(2) replaces only an empty folder
    await store.sync(parentOf(target))
    return isComplete
  } finally {
    removeFactsFolder(own)
  }
}

async function openNew(folder: Omit<FactsFolder, 'number'>): Promise<OpenFacts> {
  const fd = openFactsFolder(folder)
  // A server that takes root for nobody: nobody would believe it, and each import would make one more.
  if (fd === undefined) throw new RangeError(`${folder.path} is not uid ${folder.uid}'s, who made it`)
  try {
    const db = await openDatabase(pathOfDescriptor(fd), true)
    return await orClosed(db, async () => {
      await db.put(FORMAT_KEY, FORMAT)
      return { db, fd }
    })
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

/** A database that is not handed on is closed: LevelDB would write on into a folder that is removed. */
async function orClosed<T>(db: FactsDatabase, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    await db.close()
    throw error
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
function removeOld(folder: FactsFolder): void {
  try {
    removeFactsFolder(folder)
  } catch {}
}

/** @returns undefined when there is none that can be used: it is absent, damaged, of another format or not our doing */
async function openExisting(ours: FactsFolder[]): Promise<OpenFacts | undefined> {
  for (const folder of ours) {
    const fd = openFactsFolder(folder)
    if (fd === undefined) continue
    const db = await openSound(pathOfDescriptor(fd)).catch(error => {
      closeSync(fd)
      throw error
    })
    if (db !== undefined) return { db, fd }
    closeSync(fd)
    return undefined
  }
}

/** @returns undefined when it is damaged or of another format */
async function openSound(path: string): Promise<FactsDatabase | undefined> {
  await access(path, constants.W_OK)
  try {
    const db = await openDatabase(path, false)
    return await orClosed(db, async () => {
      await readLayers(db)
      return db
    })
  } catch (error) {
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

async function fillAndClose({ db, fd }: OpenFacts, layers: LayerToAdd[], budgetMs: number): Promise<boolean> {
  try {
    return await fill(db, layers, performance.now() + budgetMs)
  } finally {
    await db.close()
    openToReaders(fd)
    closeSync(fd)
  }
}

/** LevelDB makes its files as the umask says, and with a strict one nobody else could read them. */
function openToReaders(fd: number): void {
  chmodAt(fd, '', 0o755)
  for (const name of readDirAt(fd).names) chmodAt(fd, name, 0o644)
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

async function putKeys(db: FactsDatabase, number: number, tree: TreeNames): Promise<void> {
  let batch = db.batch()
  for (const name of pathNames(tree)) {
    batch.put(withNumber(nameKey(name), number), NOTHING)
    if (batch.length < BATCH_KEYS) continue
    await batch.write()
    batch = db.batch()
  }
  await batch.write()
}
