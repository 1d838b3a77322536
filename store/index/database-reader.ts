/**
 * Reads a LevelDB that others use, or in whose folder we may not write.
 *
 * LevelDB admits one process, and that one has to write: a lock, a log, a new manifest. But its tables (`*.ldb`) never
 * change once they are written. So a reader makes a folder of its own with links to the tables and copies of the few
 * small files that do change, and opens that. It takes some milliseconds whatever the size, and neither reader nor
 * writer waits.
 *
 * A writer may be at work meanwhile. It appends to the manifest before it removes a log or a table that is no longer
 * needed. So if the manifest is the same before and after the copying, nothing was missed. Tables that are removed
 * later stay open here.
 *
 * The database may belong to another user, who can put anything into it at any time. So each file is opened without
 * following a link or waiting for a pipe, then checked, and used by its descriptor (spec/index.md#trust).
 */
import { closeSync, existsSync, readSync } from 'node:fs'
import { symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { debuglog } from 'node:util'
import type { Level } from 'level'
import { constants, fstatAt, type NativeError, openBeneath, readDirAt } from '../../native/index.ts'
import { makeOwnFolder, type OwnFolder } from '../disk/index.ts'
import { isTrusted } from '../files/index.ts'
import { type DatabaseFolder, type DatabaseKind, databaseFolders, FORMAT_KEY } from './database-folder.ts'
import { isPlainFile, openDatabaseFolder } from './open-folder.ts'

const debug = debuglog('strata')

/** `level` is classic-level here, but its types do not say so. */
export type Database = Level<Uint8Array, Uint8Array> & {
  /** Writes the content of memory into tables, then merges tables that hold keys of the range. */
  compactRange(start: Uint8Array, end: Uint8Array): Promise<void>
}

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants

const ATTEMPTS = 3
/**
 * Most that is copied of a database. LevelDB begins a new log after 4 MB and one batch (database-writer.ts), and a
 * manifest is far smaller; tables have 32 bytes for each block, and fewer for each name of a layer.
 */
const COPIED_BYTES = 1 << 28
/** `MANIFEST-` and a number. */
const CURRENT_BYTES = 64

export interface OpenViewsOptions {
  /** The user whose database is left out. */
  without?: number
  /** The only user whose database is opened. */
  only?: number
}

/**
 * The databases of a store, at most one of each user. One that cannot be read is left out.
 * @param read what a caller needs of a database; throws if it is not sound
 */
export async function openViews<T>(
  root: string,
  kind: DatabaseKind,
  read: (db: Database) => Promise<T>,
  { without, only }: OpenViewsOptions = {}
): Promise<OpenView<T>[]> {
  const views = new Map<number, OpenView<T>>()
  for (const folder of databaseFolders(root, kind)) {
    const { uid } = folder
    if (uid === without || (only !== undefined && uid !== only) || views.has(uid)) continue
    const view = await openView(folder, kind, read)
    if (view !== undefined) views.set(uid, view)
  }
  return [...views.values()]
}

/** A database as it was when it was opened, and what was read of it first. */
export interface OpenView<T> {
  db: Database
  found: T
  close(): Promise<void>
}

async function openView<T>(
  folder: DatabaseFolder,
  kind: DatabaseKind,
  read: (db: Database) => Promise<T>
): Promise<OpenView<T> | undefined> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++)
    try {
      const view = await tryOpen(folder, kind, read)
      if (view !== undefined) return view
    } catch (error) {
      debug('%s cannot be used: %o', folder.path, error)
      return undefined
    }
}

/** @returns undefined if the database changed meanwhile */
async function tryOpen<T>(
  folder: DatabaseFolder,
  kind: DatabaseKind,
  read: (db: Database) => Promise<T>
): Promise<OpenView<T> | undefined> {
  const fd = openDatabaseFolder(folder)
  if (fd === undefined) throw new RangeError('it is not a database that its user made')
  const areTablesLinked = isTrusted(folder.root, folder.uid)
  const own = new Scratch(makeOwnFolder(tmpdir(), 'strata-index-'), { areTablesLinked })
  try {
    if (await copyState({ fd, uid: folder.uid }, own)) return await openCopy(own, kind, read)
    await own.remove()
  } catch (error) {
    await own.remove()
    throw error
  } finally {
    closeSync(fd)
  }
}

async function openCopy<T>(
  own: Scratch,
  kind: DatabaseKind,
  read: (db: Database) => Promise<T>
): Promise<OpenView<T>> {
  const db = await openDatabase(own.path, kind, false)
  const close = async () => {
    await db.close()
    await own.remove()
  }
  return { db, close, found: await closeOnError(db, () => readSound(db, kind, read)) }
}

/** @throws Error of LevelDB, RangeError for a database of another format; as `read` */
export async function readSound<T>(
  db: Database,
  kind: DatabaseKind,
  read: (db: Database) => Promise<T>
): Promise<T> {
  const format = await db.get(FORMAT_KEY)
  if (format === undefined || Buffer.compare(format, kind.format) !== 0)
    throw new RangeError('the database is of another format')
  return read(db)
}

/** Closes a database if it is not handed on, because LevelDB would go on writing into a folder that is removed. */
export async function closeOnError<T>(db: Database, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    await db.close()
    throw error
  }
}

/**
 * A reader's own folder. The tables that it links to stay open, so that no other files can take their place. Tables of
 * other publishers are copied: LevelDB maps tables into memory, and a process ends with SIGBUS if its owner cuts one off.
 */
class Scratch {
  readonly #folder: OwnFolder
  readonly #areTablesLinked: boolean
  readonly #tables: number[] = []
  #copiedBytes = 0

  constructor(folder: OwnFolder, { areTablesLinked }: { areTablesLinked: boolean }) {
    this.#folder = folder
    this.#areTablesLinked = areTablesLinked
  }

  get path(): string {
    return this.#folder.path
  }

  async add(name: string, fd: number): Promise<void> {
    const path = join(this.path, name)
    const byDescriptor = `/proc/self/fd/${fd}`
    if (!this.#areTablesLinked || !name.endsWith('.ldb') || !existsSync(byDescriptor))
      return this.#copy(fd, path)
    await symlink(byDescriptor, path)
    this.#tables.push(fd)
  }

  /** True if `remove` will close the file. */
  keeps(fd: number): boolean {
    return this.#tables.includes(fd)
  }

  async remove(): Promise<void> {
    for (const fd of this.#tables.splice(0)) closeSync(fd)
    this.#folder.remove()
  }

  /** Another user may have made the file of any size. */
  async #copy(fd: number, path: string): Promise<void> {
    const { size } = fstatAt(fd)
    this.#copiedBytes += size
    if (this.#copiedBytes > COPIED_BYTES)
      throw new RangeError(`more than ${COPIED_BYTES} bytes would have to be copied`)
    await writeFile(path, readUpTo(fd, size), { flag: 'wx' })
  }
}

function readUpTo(fd: number, size: number): Buffer {
  const bytes = Buffer.alloc(size)
  let done = 0
  while (done < size) {
    const count = readSync(fd, bytes, done, size - done, done)
    if (count === 0) break
    done += count
  }
  return bytes.subarray(0, done)
}

interface Source {
  /** Descriptor of the folder. */
  fd: number
  uid: number
}

/** @returns true if the copied files are one state of the database */
async function copyState(source: Source, own: Scratch): Promise<boolean> {
  const before = stateOf(source)
  for (const name of readDirAt(source.fd).names) {
    const isWanted = /\.(ldb|log)$/.test(name) || name === 'CURRENT' || name === before.manifest
    if (isWanted && !(await addIfThere(source, name, own))) return false
  }
  const after = stateOf(source)
  return before.manifest === after.manifest && before.bytes === after.bytes
}

async function addIfThere(source: Source, name: string, own: Scratch): Promise<boolean> {
  const fd = openPlain(source, name)
  if (fd === undefined) return false
  try {
    await own.add(name, fd)
  } finally {
    if (!own.keeps(fd)) closeSync(fd)
  }
  return true
}

/**
 * @returns undefined for a file that is gone
 * @throws RangeError for a file that its user did not make this way
 */
function openPlain({ fd, uid }: Source, name: string): number | undefined {
  let file: number
  try {
    // O_NONBLOCK is needed because opening a pipe would wait for a writer.
    file = openBeneath(fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  } catch (error) {
    if ((error as NativeError).code === 'ENOENT') return undefined
    throw error
  }
  if (isPlainFile(fstatAt(file), uid)) return file
  closeSync(file)
  throw new RangeError(`${name} is not a file that only uid ${uid} can write`)
}

function stateOf(source: Source): { manifest: string; bytes: number } {
  const current = openPlain(source, 'CURRENT')
  if (current === undefined) throw new RangeError('there is no CURRENT')
  try {
    const manifest = readUpTo(current, CURRENT_BYTES).toString('latin1').trim()
    if (!/^MANIFEST-[0-9]+$/.test(manifest)) throw new RangeError('CURRENT names no manifest')
    return { manifest, bytes: fstatAt(source.fd, manifest).size }
  } finally {
    closeSync(current)
  }
}

/** Loads LevelDB only here: that takes a while, and few commands need it. @throws Error of LevelDB */
export async function openDatabase(
  folder: string,
  { tableBytes }: Pick<DatabaseKind, 'tableBytes'>,
  isNew: boolean
): Promise<Database> {
  const { Level } = await import('level')
  const db = new Level<Uint8Array, Uint8Array>(folder, {
    keyEncoding: 'view',
    valueEncoding: 'view',
    createIfMissing: isNew,
    errorIfExists: isNew,
    ...(tableBytes !== undefined && { maxFileSize: tableBytes })
  }) as Database
  await db.open()
  return db
}
