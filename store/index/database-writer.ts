/**
 * Writes the LevelDBs of this user in a store. LevelDB's lock admits one process at a time; others leave their additions
 * to a later one. Readers never wait (database-reader.ts).
 */
import { closeSync } from 'node:fs'
import { access, constants } from 'node:fs/promises'
import { isMainThread } from 'node:worker_threads'
import { chmodAt, readDirAt } from '../../native/index.ts'
import { parentOf, storeFolder, unusedPath } from '../files/index.ts'
import { whenStopped } from '../values/index.ts'
import {
  type DatabaseFolder,
  type DatabaseKind,
  databaseFolders,
  FORMAT_KEY,
  nextFolder,
  ownUid
} from './database-folder.ts'
import { closeOnError, type Database, openDatabase, readSound } from './database-reader.ts'
import { openDatabaseFolder, pathOfDescriptor, removeDatabase } from './open-folder.ts'

/** The work of a writer, on one kind of databases. */
export interface Writing<T> {
  kind: DatabaseKind
  /** Reads what `fill` relies on. @throws RangeError if the database is not sound, and has to be made anew */
  check(db: Database): Promise<unknown>
  /** Adds keys. */
  fill(db: Database): Promise<T>
}

/**
 * Adds to our own database, and makes one if there is none that is sound.
 * @throws Error of LevelDB or the system if nothing can be written, for instance because another process is writing
 */
export const addToDatabase = <T>(root: string, writing: Writing<T>): Promise<T> =>
  withSafeUmask(async () => {
    const ours = ownFolders(root, writing.kind)
    const there = await openExisting(ours, writing)
    if (there !== undefined) return fillAndClose(there, writing)
    return replaceDatabases(root, writing, ours)
  })

/**
 * Makes our own database anew.
 * @param options.removesOthers other users' databases are removed if we may do that
 * @throws as addToDatabase
 */
export const rebuildDatabase = <T>(
  root: string,
  writing: Writing<T>,
  { removesOthers }: { removesOthers: boolean }
): Promise<T> =>
  withSafeUmask(() => {
    const areOthersOld = removesOthers && writing.kind.isForAll
    const old = areOthersOld ? databaseFolders(root, writing.kind) : ownFolders(root, writing.kind)
    return replaceDatabases(root, writing, old)
  })

const ownFolders = (root: string, kind: DatabaseKind): DatabaseFolder[] =>
  databaseFolders(root, kind).filter(({ uid }) => uid === ownUid())

async function replaceDatabases<T>(root: string, writing: Writing<T>, old: DatabaseFolder[]): Promise<T> {
  const result = await makeAnew(root, writing)
  for (const folder of old) removeOld(folder)
  return result
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
interface OpenDatabase {
  db: Database
  /** Descriptor of its folder. */
  fd: number
}

async function makeAnew<T>(root: string, writing: Writing<T>): Promise<T> {
  const store = storeFolder(root)
  const target = nextFolder(writing.kind, databaseFolders(root, writing.kind))
  const own = { root, path: unusedPath(), uid: ownUid() }
  store.mkdir(own.path, 0o700)
  const forget = whenStopped(() => takeBack(own))
  try {
    const result = await fillAndClose(await openNew(own, writing.kind), writing)
    await store.makeFolder(parentOf(target))
    store.rename(own.path, target) // fails if another process was faster: rename(2) replaces only an empty folder
    await store.sync(parentOf(target))
    return result
  } finally {
    removeDatabase(own)
    forget()
  }
}

/** Removes an unfinished database. Throws if files are left, since LevelDB's own thread may still be making some. */
function takeBack({ root, path, uid }: Omit<DatabaseFolder, 'number'>): boolean {
  const store = storeFolder(root)
  if (store.status(path) === undefined) return false
  if (!store.removeTree(path, uid))
    throw new Error(`ENOTEMPTY: ${store.displayPath(path)} is being written to`)
  return true
}

async function openNew(folder: Omit<DatabaseFolder, 'number'>, kind: DatabaseKind): Promise<OpenDatabase> {
  const fd = openDatabaseFolder(folder)
  // The server maps root to nobody: the database would not be believed, and each import would make one more.
  if (fd === undefined) throw new RangeError(`${folder.path} is not uid ${folder.uid}'s, who made it`)
  try {
    const db = await openDatabase(pathOfDescriptor(fd), kind, true)
    return await closeOnError(db, async () => {
      await db.put(FORMAT_KEY, kind.format)
      return { db, fd }
    })
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

/** Removes an old database. Another user's may have to stay, which does no harm. */
function removeOld(folder: DatabaseFolder): void {
  try {
    removeDatabase(folder)
  } catch {}
}

/** @returns undefined if there is none that can be used: it is missing, damaged, of another format or not made by us */
async function openExisting<T>(
  ours: DatabaseFolder[],
  writing: Writing<T>
): Promise<OpenDatabase | undefined> {
  for (const folder of ours) {
    const fd = openDatabaseFolder(folder)
    if (fd === undefined) continue
    const db = await openSound(pathOfDescriptor(fd), writing).catch(error => {
      closeSync(fd)
      throw error
    })
    if (db !== undefined) return { db, fd }
    closeSync(fd)
    return undefined
  }
}

/** @returns undefined if it is damaged or of another format */
async function openSound<T>(path: string, { kind, check }: Writing<T>): Promise<Database | undefined> {
  await access(path, constants.W_OK)
  try {
    const db = await openDatabase(path, kind, false)
    return await closeOnError(db, async () => {
      await readSound(db, kind, check)
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

async function fillAndClose<T>({ db, fd }: OpenDatabase, { kind, fill }: Writing<T>): Promise<T> {
  try {
    return await fill(db)
  } finally {
    await db.close()
    setModes(fd, kind)
    closeSync(fd)
  }
}

/** LevelDB makes its files by the umask; with a strict one, nobody else could read them. */
function setModes(fd: number, { isForAll }: DatabaseKind): void {
  chmodAt(fd, '', isForAll ? 0o755 : 0o700)
  for (const name of readDirAt(fd).names) chmodAt(fd, name, isForAll ? 0o644 : 0o600)
}

/**
 * Writes the log into a table, because each reader would have to read a log again. The range lies beyond all keys, so
 * nothing is compacted.
 */
export const writeTables = (db: Database): Promise<void> =>
  db.compactRange(Buffer.from([0xff]), Buffer.from([0xff, 0xff]))
