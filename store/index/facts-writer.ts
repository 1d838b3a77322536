/**
 * Adds layers to the LevelDB of a store. LevelDB's lock admits one process at a time; others leave the layer to a later
 * one. Readers never wait (facts-view.ts).
 */
import { closeSync } from 'node:fs'
import { access, constants } from 'node:fs/promises'
import { isMainThread } from 'node:worker_threads'
import { chmodAt, readDirAt } from '../../native/index.ts'
import { parentOf, type StorePath, storeFolder, unusedPath } from '../files/index.ts'
import type { LayerManifest } from '../module/index.ts'
import { type Digest, sha256Of, whenStopped } from '../values/index.ts'
import { type FactsFolder, factsFolders, nextFactsFolder, ownUid } from './facts-folder.ts'
import { encodeFacts, FORMAT, FORMAT_KEY, layerKey, NOTHING, nameKey, withNumber } from './facts-keys.ts'
import { type FactsDatabase, openDatabase, openFactsViews, readLayers } from './facts-view.ts'
import { openFactsFolder, pathOfDescriptor, removeFactsFolder } from './open-folder.ts'
import { pathNames, type TreeNames } from './tree-search.ts'

/** Limit of a batch, which is held in memory. */
const BATCH_KEYS = 50_000

export interface LayerToAdd {
  layer: Digest
  /** Called only if the layer is not in the database yet; undefined if it cannot be added. */
  read(): Promise<{ manifest: LayerManifest; tree: TreeNames & { contentHash: Uint8Array } } | undefined>
}

export interface AddLayersOptions {
  /** Make it anew instead of adding to it. */
  rebuild: boolean
  /** After this number of milliseconds, the rest is left to a later call. */
  budgetMs: number
}

/**
 * @returns true if all layers that can be read are in it now
 * @throws Error of LevelDB or the system if nothing can be written, for instance because another process is writing
 */
export async function addLayers(
  root: string,
  layers: LayerToAdd[],
  { rebuild, budgetMs }: AddLayersOptions
): Promise<boolean> {
  return withSafeUmask(async () => {
    const folders = factsFolders(root)
    const ours = folders.filter(({ uid }) => uid === ownUid())
    const wanted = rebuild ? layers : await dropCovered(root, layers)
    const there = rebuild ? undefined : await openExisting(ours)
    if (there !== undefined) return fillAndClose(there, wanted, budgetMs)
    if (wanted.length === 0 && !rebuild) return true
    const isComplete = await makeAnew(root, nextFactsFolder(folders), wanted, budgetMs)
    for (const folder of rebuild ? folders : ours) removeOld(folder)
    return isComplete
  })
}

/**
 * LevelDB makes files by the umask. A file that others could write to, even for a moment, would not be believed any
 * more. The umask is only ever made stricter, since other files may be made meanwhile.
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

/** Our own database, open. */
interface OpenFacts {
  db: FactsDatabase
  /** Descriptor of its folder. */
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
  const forget = whenStopped(() => takeBack(own))
  try {
    const isComplete = await fillAndClose(await openNew(own), layers, budgetMs)
    await store.makeFolder(parentOf(target))
    store.rename(own.path, target) // fails if another process was faster: rename(2) replaces only an empty folder
    await store.sync(parentOf(target))
    return isComplete
  } finally {
    removeFactsFolder(own)
    forget()
  }
}

/** Removes an unfinished database. Throws if files are left, since LevelDB's own thread may still be making some. */
function takeBack({ root, path, uid }: Omit<FactsFolder, 'number'>): boolean {
  const store = storeFolder(root)
  if (store.status(path) === undefined) return false
  if (!store.removeTree(path, uid))
    throw new Error(`ENOTEMPTY: ${store.displayPath(path)} is being written to`)
  return true
}

async function openNew(folder: Omit<FactsFolder, 'number'>): Promise<OpenFacts> {
  const fd = openFactsFolder(folder)
  // The server maps root to nobody: the database would not be believed, and each import would make one more.
  if (fd === undefined) throw new RangeError(`${folder.path} is not uid ${folder.uid}'s, who made it`)
  try {
    const db = await openDatabase(pathOfDescriptor(fd), true)
    return await closeOnError(db, async () => {
      await db.put(FORMAT_KEY, FORMAT)
      return { db, fd }
    })
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

/** Closes a database if it is not handed on, because LevelDB would go on writing into a folder that is removed. */
async function closeOnError<T>(db: FactsDatabase, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    await db.close()
    throw error
  }
}

/** Leaves out layers that other users' databases cover. */
async function dropCovered(root: string, layers: LayerToAdd[]): Promise<LayerToAdd[]> {
  const covered = new Set<Digest>()
  for (const view of await openFactsViews(root, ownUid())) {
    for (const layer of view.layers.keys()) covered.add(layer)
    await view.close()
  }
  return layers.filter(({ layer }) => !covered.has(layer))
}

/** Removes an old database. Another user's may have to stay, which does no harm. */
function removeOld(folder: FactsFolder): void {
  try {
    removeFactsFolder(folder)
  } catch {}
}

/** @returns undefined if there is none that can be used: it is missing, damaged, of another format or not made by us */
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

/** @returns undefined if it is damaged or of another format */
async function openSound(path: string): Promise<FactsDatabase | undefined> {
  await access(path, constants.W_OK)
  try {
    const db = await openDatabase(path, false)
    return await closeOnError(db, async () => {
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

/** LevelDB makes its files by the umask; with a strict one, nobody else could read them. */
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
    await db.put(layerKey(layer), encodeFacts(facts)) // last, because it says that the other keys are there
    there.set(layer, facts)
  }
  // Writes the log into a table, because each reader would have to read a log again. The range lies beyond all keys, so
  // nothing is compacted.
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
