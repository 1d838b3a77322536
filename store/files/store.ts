/**
 * A store is a folder of files (spec/store-layout.md). Commands write to one store. Further ones, of a site or a group,
 * are only read, and are searched in order as MODULEPATH is.
 */
import { existsSync, rmdirSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import type { NativeError } from '../../native/index.ts'
import { MAX_ID } from '../accounts/index.ts'
import {
  checkProfile,
  DEFAULT_PROFILE,
  Field,
  Fields,
  integer,
  oneOf,
  type Profile,
  parseFields,
  type Refusal,
  readProfile,
  StrataError,
  showPath,
  whenStopped
} from '../values/index.ts'
import { holdStore, storeFolder } from './held-folder.ts'
import { readPlainFile } from './read-plain-file.ts'
import { parentOf, type StoreFolder } from './store-folder.ts'
import { FOLDERS, STORE_FILE, STORE_VERSION, TMP } from './store-layout.ts'

const MAX_STORE_FILE_BYTES = 1 << 16

export interface StoreRoot {
  /** Absolute path. */
  root: string
  /** The profile with which layers are compiled here. */
  profile: Profile
  /** Id of the publishing group, if there is one. */
  group?: number
}

export interface InitOptions {
  /** Id of a group that will publish there (spec/store-layout.md#shared); without it, only the owner publishes. */
  group?: number
  /** Properties that the user asked for, all by default: an existing store must have them. */
  asked?: AskedStore
}

export type AskedStore = Partial<Profile> & Pick<StoreRoot, 'group'>

/**
 * The store for writing, and all stores for reading. Users who made no store read those of COMPOSE_PATH: `root` is then
 * the folder where `compose init` would make one, and the profile is that of the first store that is read.
 */
export interface Store extends StoreRoot {
  /** All stores to look in. The one for writing comes first, if it has been made. */
  searched: StoreRoot[]
}

export interface StorePlaces {
  /** The store for writing, `COMPOSE_STORE`. If undefined, the usual folder is used, where no store is required. */
  store?: string
  /** Further stores, `COMPOSE_PATH`, separated by colons. */
  path?: string
}

export function defaultStore(environment: NodeJS.ProcessEnv = process.env): string {
  const dataHome = environment.XDG_DATA_HOME
  // The XDG specification says that relative paths in the variable are invalid and must be ignored.
  return join(dataHome?.startsWith('/') ? dataHome : join(homedir(), '.local/share'), 'strata')
}

export const placesFromEnvironment = (environment: NodeJS.ProcessEnv = process.env): StorePlaces => ({
  store: environment.COMPOSE_STORE || undefined,
  path: environment.COMPOSE_PATH ?? ''
})

/**
 * Makes a store in a new or empty folder. An existing store is not changed.
 * @returns true if it was made
 * @throws StrataError STORE_EXISTS if the folder holds something else, or a store with another profile or group than
 * asked for; STORE_ACCESS if folders cannot be given to the group
 */
export async function initStore(
  folder: string,
  profile: Profile = DEFAULT_PROFILE,
  { group, asked = { ...profile, group } }: InitOptions = {}
): Promise<boolean> {
  const root = resolve(folder)
  checkProfile(profile)
  const there = readRoot(root)
  if (there !== undefined) {
    assertSameStore(there, asked)
    return false
  }
  // An existing folder may hold another program's `data`, so it is left alone.
  const forget = existsSync(root) ? () => {} : whenStopped(() => removeUnmade(root))
  await makeFolders(root, profile, group).catch(cause => {
    throw initError(root, cause)
  })
  // Last: without this file the folder is no store.
  return await writeStoreFile(root, profile, group).finally(forget)
}

/** Makes the folders, and waits until they are on the disk. An interrupted init may have made some of them. */
async function makeFolders(root: string, profile: Profile, group: number | undefined): Promise<void> {
  // Loaded only here: every command opens stores, and most write none.
  const { makeFolder, syncFolder } = await import('../disk/sync-folder.ts')
  await makeFolder(root)
  const store = holdStore(root)
  refuseStrangers(root, store)
  if (group === undefined) makeOwnFolders(store)
  else {
    const { makeGroupFolders } = await import('./group-store.ts')
    await makeGroupFolders(root, group, profile)
  }
  for (const folder of FOLDERS) await store.settle(folder)
  await syncFolder(dirname(root)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EACCES') throw error // users who may not list it did not make the store's folder either
  })
}

/** The error for what stands in the way: it names the folder that the user named, whatever was to be made in it. */
function initError(root: string, cause: unknown): unknown {
  const { code } = cause as NodeJS.ErrnoException
  if (cause instanceof StrataError) return cause
  if (code === 'EEXIST' || code === 'ENOTDIR')
    return new StrataError('STORE_EXISTS', {
      message: `no store can be made at ${root}: there is a file in its place, or in that of a folder above it`,
      facts: { folder: root },
      hint: 'compose init NEW_FOLDER',
      cause
    })
  if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS') return cause
  return new StrataError('STORE_READONLY', {
    message: `no store can be made at ${root}: ${code === 'EROFS' ? 'that file system is read-only' : 'you have no permission to write there'}`,
    facts: { folder: root },
    hint: 'compose init FOLDER, below a folder of yours; COMPOSE_STORE=FOLDER then names it',
    cause
  })
}

/** Only remains of an interrupted init may be there. @throws StrataError STORE_EXISTS */
function refuseStrangers(root: string, store: StoreFolder): void {
  const known = new Set<string>(FOLDERS.map(name => name.split('/')[0]))
  const strangers = store.list('')!.filter(({ name }) => !known.has(name))
  if (strangers.length === 0) return
  throw new StrataError('STORE_EXISTS', {
    message: `${root} is neither empty nor a store: it holds ${strangers
      .slice(0, 3)
      .map(({ name }) => showPath(name))
      .join(', ')}`,
    hint: 'compose init NEW_FOLDER'
  })
}

/** @returns false if another init wrote it first */
async function writeStoreFile(root: string, profile: Profile, group: number | undefined): Promise<boolean> {
  const { TemporaryFile } = await import('./temporary-file.ts')
  const file = TemporaryFile.create(root)
  try {
    await file.handle.writeFile(
      `${JSON.stringify({ strata: 'store', version: STORE_VERSION, profile, group }, null, 2)}\n`
    )
    return await file.publish(STORE_FILE)
  } finally {
    await file.discard()
  }
}

/** Removes the folders of a stopped init. The folder was new, so init made everything in it. */
function removeUnmade(root: string): boolean {
  const store = folderIfThere(root)
  if (store === undefined || store.status(STORE_FILE) !== undefined) return false
  for (const name of new Set(FOLDERS.map(folder => folder.split('/')[0]))) store.removeTree(name)
  rmdirSync(root)
  return true
}

function makeOwnFolders(store: StoreFolder): void {
  const folders = FOLDERS.flatMap(name => [parentOf(name), name]).filter(name => name !== '')
  for (const name of folders) store.mkdir(name, name === TMP ? 0o700 : 0o755) // files that have no name yet are of no concern to others
}

/** @throws StrataError STORE_EXISTS */
function assertSameStore(there: StoreRoot, asked: AskedStore): void {
  const known: AskedStore = { ...there.profile, group: there.group }
  const differs = (Object.keys(asked) as (keyof AskedStore)[]).some(
    key => asked[key] !== undefined && asked[key] !== known[key]
  )
  if (!differs) return
  const wanted = {
    root: there.root,
    profile: { ...there.profile, ...dropUndefined(asked) },
    group: asked.group
  }
  throw new StrataError('STORE_EXISTS', {
    message: `${there.root} is a store already, ${describeRoot(there)}, not ${describeRoot(wanted)}`,
    hint: `compose init ANOTHER_FOLDER`
  })
}

const dropUndefined = (asked: AskedStore): AskedStore =>
  Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined))

const describeRoot = ({ profile, group }: StoreRoot): string =>
  `with ${describeProfile(profile)}${group === undefined ? '' : `, of gid ${group}`}`

/**
 * @throws StrataError STORE_MISSING if a named store does not exist, or if none was named and none has been made;
 * STORE_VERSION, MANIFEST_INVALID
 */
export async function openStore(places: StorePlaces = placesFromEnvironment()): Promise<Store> {
  const root = resolve(places.store ?? defaultStore())
  const folders = (places.path ?? '').split(':').filter(path => path !== '')
  const own = readRoot(root)
  if (own === undefined && (places.store !== undefined || folders.length === 0)) throw noStore(root)
  const searched = own === undefined ? [] : [own]
  for (const folder of folders) {
    const root = resolve(folder)
    if (searched.some(store => store.root === root)) continue
    const further = readRoot(root)
    if (further === undefined) throw noStoreOnPath(root, folders)
    searched.push(further)
  }
  return { ...(own ?? { root, profile: searched[0].profile }), searched }
}

/** Undefined if there is no store. @throws StrataError STORE_VERSION, MANIFEST_INVALID */
function readRoot(root: string): StoreRoot | undefined {
  const path = join(root, STORE_FILE)
  const store = folderIfThere(root)
  const bytes =
    store && readPlainFile(store, STORE_FILE, { mostBytes: MAX_STORE_FILE_BYTES, refuse: notAStoreFile })
  return bytes && { root, ...parseStoreFile(bytes.toString(), path) }
}

function folderIfThere(root: string): StoreFolder | undefined {
  try {
    return holdStore(root)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NativeError).code)) return undefined
    throw error
  }
}

const notAStoreFile = (path: string, fault: string): StrataError =>
  new StrataError('MANIFEST_INVALID', { message: `${path} does not describe a store: it ${fault}` })

const noStore = (root: string): StrataError =>
  new StrataError('STORE_MISSING', {
    message: `there is no store at ${root}: ${describeMissing(root)}`,
    hint: `compose init ${root} makes one; export COMPOSE_PATH=FOLDER names the store of your site, which is read`
  })

const noStoreOnPath = (root: string, folders: string[]): StrataError =>
  new StrataError('STORE_MISSING', {
    message: `COMPOSE_PATH names ${root}, which is not a store: ${describeMissing(root)}`,
    facts: { COMPOSE_PATH: folders },
    hint: 'export COMPOSE_PATH=FOLDER[:FOLDER...] with the folders of stores alone'
  })

const describeMissing = (root: string): string =>
  !existsSync(root)
    ? 'there is no such folder'
    : statSync(root).isDirectory()
      ? 'compose init did not make this folder'
      : 'it is a file'

function parseStoreFile(text: string, path: string): Pick<StoreRoot, 'profile' | 'group'> {
  const fields = parseFields(text, new Field(path, OF_STORES))
  fields.required('strata', oneOf('store'))
  const version = fields.required('version', integer(0, Number.MAX_SAFE_INTEGER))
  if (version !== STORE_VERSION)
    throw new StrataError('STORE_VERSION', {
      message: `${path}: version ${version}, wanted ${STORE_VERSION}`,
      hint:
        version < STORE_VERSION
          ? 'compose init ANOTHER_FOLDER, and import the tarballs again; the release that made this store exports them'
          : 'install the release of Strata that made this store'
    })
  const group = fields.optional('group', integer(0, MAX_ID))
  const profile = fields.optional('profile', (value, field) =>
    readProfile(new Fields(value, field), DEFAULT_PROFILE)
  )
  return { profile: profile ?? DEFAULT_PROFILE, ...(group !== undefined && { group }) }
}

const OF_STORES: Refusal = {
  code: 'MANIFEST_INVALID',
  label: 'file',
  hint: 'compose init ANOTHER_FOLDER makes a store; this file says what one holds, and init writes it'
}

/** True if the store for writing has been made: users may have only those of COMPOSE_PATH. */
export const isMade = ({ root, searched }: Store): boolean => searched.some(store => store.root === root)

/** For work on the store for writing. @throws StrataError STORE_MISSING */
export function assertMade(store: Store): void {
  if (!isMade(store)) throw noStore(store.root)
}

/**
 * Checks that the store can be written to, before any work is done in vain.
 * @param what the work that needs it, as the beginning of a sentence
 * @throws StrataError STORE_MISSING if none has been made; STORE_READONLY
 */
export async function assertWritable(store: Store, what?: string): Promise<void> {
  const why = what === undefined ? '' : `${what}, which needs a store that can be written to: `
  if (!isMade(store))
    throw new StrataError('STORE_MISSING', {
      message: `${why}there is no store at ${store.root}`,
      facts: { 'only read': store.searched.map(({ root }) => root) },
      hint: 'compose init makes it; COMPOSE_STORE=FOLDER names another one'
    })
  if (storeFolder(store.root).mayWrite(TMP)) return
  throw new StrataError('STORE_READONLY', {
    message: `${why}no permission to write to the store at ${store.root}`,
    hint: 'COMPOSE_STORE=FOLDER names a store of your own; compose init makes it'
  })
}

export const describeProfile = ({ compressor, level, blockSize }: Profile): string =>
  `${compressor} level ${level}, blocks of ${blockSize / 1024} KiB`
