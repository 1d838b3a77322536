/**
 * Reading a LevelDB that others use, or that lies where we may not write.
 *
 * LevelDB admits one process, and that one has to write: a lock, a log, a new manifest. But its tables (`*.ldb`) never
 * change once they are written. So a reader makes a folder of its own with links to the tables and copies of the few
 * small files that do change, and opens that. It takes some milliseconds whatever the size, disturbs nobody, and
 * waits for nobody.
 *
 * A writer may be at work meanwhile. It appends to the manifest before it removes a log or a table that is no longer
 * needed; so when the manifest is the same after the copying as before, nothing was missed. A table that goes later
 * leaves a dangling link, and then LevelDB reports an error.
 */
import { constants } from 'node:fs'
import { copyFile, lstat, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { debuglog } from 'node:util'
import type { Level } from 'level'
import type { Digest } from '../digest.ts'
import type { PathBytes } from '../path-bytes.ts'
import { factsFolders } from './facts-folder.ts'
import {
  contentKey,
  decodeFacts,
  decodeLayerKey,
  FORMAT,
  FORMAT_KEY,
  LAYERS_BELOW,
  LAYERS_FROM,
  type LayerFacts,
  nameKey,
  numberOf,
  withNumber
} from './facts-keys.ts'

const debug = debuglog('strata')

/** `level` is classic-level here, and does not say so in its types. */
export type FactsDatabase = Level<Uint8Array, Uint8Array> & {
  /** Writes what is in memory into tables first, then merges those that hold keys of the range. */
  compactRange(start: Uint8Array, end: Uint8Array): Promise<void>
}

const ATTEMPTS = 3

/**
 * The databases of a store, at most one of each user. One that cannot be read is left out: what only it covers, the
 * layers' tree indexes say.
 * @param without whose are not wanted
 */
export async function openFactsViews(root: string, without?: number): Promise<FactsView[]> {
  const views = new Map<number, FactsView>()
  for (const { path, uid } of factsFolders(root)) {
    if (uid === without || views.has(uid)) continue
    const view = await openFactsView(path)
    if (view !== undefined) views.set(uid, view)
  }
  return [...views.values()]
}

async function openFactsView(folder: string): Promise<FactsView | undefined> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++)
    try {
      const view = await tryOpen(folder)
      if (view !== undefined) return view
    } catch (error) {
      debug('%s cannot be used: %o', folder, error)
      return undefined
    }
}

/** @returns undefined when the database changed meanwhile */
async function tryOpen(folder: string): Promise<FactsView | undefined> {
  const own = await mkdtemp(join(tmpdir(), 'strata-index-'))
  try {
    if (!(await copyState(folder, own))) {
      await rm(own, { recursive: true })
      return undefined
    }
    return await FactsView.open(own)
  } catch (error) {
    await rm(own, { recursive: true, force: true })
    throw error
  }
}

/** @returns whether what was copied is one state of the database */
async function copyState(folder: string, own: string): Promise<boolean> {
  const before = await stateOf(folder)
  const entries = await readdir(folder, { withFileTypes: true })
  if (!entries.every(entry => entry.isFile())) throw new RangeError(`${folder} holds more than files`)
  for (const { name } of entries) {
    if (name.endsWith('.ldb')) await symlink(join(folder, name), join(own, name))
    else if (name === 'CURRENT' || name === before.manifest || name.endsWith('.log'))
      await copyFile(join(folder, name), join(own, name), constants.COPYFILE_EXCL)
  }
  const after = await stateOf(folder)
  return before.manifest === after.manifest && before.bytes === after.bytes
}

async function stateOf(folder: string): Promise<{ manifest: string; bytes: number }> {
  const current = join(folder, 'CURRENT')
  // Opening a pipe would wait for a writer.
  if (!(await lstat(current)).isFile()) throw new RangeError(`${current} is not a file`)
  const manifest = (await readFile(current, 'latin1')).trim()
  if (!/^MANIFEST-[0-9]+$/.test(manifest)) throw new RangeError(`${current} names no manifest`)
  return { manifest, bytes: (await lstat(join(folder, manifest))).size }
}

/** A database as it was when it was opened. Its methods throw when a file is damaged or gone: ask the layers then. */
export class FactsView {
  readonly #db: FactsDatabase
  readonly #folder: string
  /** Layers that are in it completely; of others it says nothing. */
  readonly layers: ReadonlyMap<Digest, LayerFacts>
  readonly #layerOf = new Map<number, Digest>()

  private constructor(db: FactsDatabase, folder: string, layers: Map<Digest, LayerFacts>) {
    this.#db = db
    this.#folder = folder
    this.layers = layers
    for (const [layer, { number }] of layers) this.#layerOf.set(number, layer)
  }

  static async open(folder: string): Promise<FactsView> {
    const db = await openDatabase(folder, false)
    try {
      return new FactsView(db, folder, await readLayers(db))
    } catch (error) {
      await db.close()
      throw error
    }
  }

  /** Layers that have a path whose last component this is; perhaps others too. */
  layersNaming(name: PathBytes): Promise<Digest[]> {
    return this.#layersOf(nameKey(name))
  }

  /** Layers that have a file with these contents; perhaps others too. @param sha256 32 bytes */
  layersHolding(sha256: Uint8Array): Promise<Digest[]> {
    return this.#layersOf(contentKey(sha256))
  }

  async #layersOf(start: Buffer): Promise<Digest[]> {
    const found: Digest[] = []
    const range = { gte: withNumber(start, 0), lte: withNumber(start, 0xffffffff) }
    for await (const key of this.#db.keys(range)) {
      const layer = this.#layerOf.get(numberOf(start, key))
      if (layer !== undefined) found.push(layer) // else its writer was interrupted
    }
    return found
  }

  async close(): Promise<void> {
    await this.#db.close()
    await rm(this.#folder, { recursive: true, force: true })
  }
}

/** @throws Error of LevelDB, RangeError for a database of another format */
export async function readLayers(db: FactsDatabase): Promise<Map<Digest, LayerFacts>> {
  const format = await db.get(FORMAT_KEY)
  if (format === undefined || Buffer.compare(format, FORMAT) !== 0)
    throw new RangeError('the database is of another format')
  const layers = new Map<Digest, LayerFacts>()
  for await (const [key, value] of db.iterator({ gte: LAYERS_FROM, lt: LAYERS_BELOW }))
    layers.set(decodeLayerKey(key), decodeFacts(value))
  return layers
}

/** LevelDB takes a while to load, and few commands need it. @throws Error of LevelDB */
export async function openDatabase(folder: string, isNew: boolean): Promise<FactsDatabase> {
  const { Level } = await import('level')
  const db = new Level<Uint8Array, Uint8Array>(folder, {
    keyEncoding: 'view',
    valueEncoding: 'view',
    createIfMissing: isNew,
    errorIfExists: isNew
  }) as FactsDatabase
  await db.open()
  return db
}
