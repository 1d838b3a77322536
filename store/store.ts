/**
 * A store is a folder of files (spec/store-layout.md). One takes what is written; further ones, of a site or a
 * group, are only read, and searched in order like MODULEPATH.
 */
import { access, chmod, readdir, readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { StrataError } from './errors.ts'
import { MAX_ID } from './id-names.ts'
import { checkProfile, DEFAULT_PROFILE, type Profile } from './object/profile.ts'
import { FOLDERS, STORE_FILE, STORE_VERSION, TMP } from './store-layout.ts'

export interface StoreRoot {
  /** Absolute path. */
  root: string
  /** How layers are compiled here. */
  profile: Profile
  /** Id of the group that publishes here, where a group does. */
  group?: number
}

export interface InitOptions {
  /** Id of a group that is to publish there (spec/store-layout.md#shared); nobody but the owner otherwise. */
  group?: number
}

export interface Store extends StoreRoot {
  /** All stores to look in, this one first. */
  searched: StoreRoot[]
}

export interface StorePlaces {
  /** The store that is written; `COMPOSE_STORE`. */
  store?: string
  /** Further stores; `COMPOSE_PATH`, separated by colons. */
  path?: string
}

export function defaultStore(environment: NodeJS.ProcessEnv = process.env): string {
  const dataHome = environment.XDG_DATA_HOME
  // The XDG specification: relative paths there are invalid and to be ignored.
  return join(dataHome?.startsWith('/') ? dataHome : join(homedir(), '.local/share'), 'strata')
}

export const placesFromEnvironment = (
  environment: NodeJS.ProcessEnv = process.env
): Required<StorePlaces> => ({
  store: environment.COMPOSE_STORE || defaultStore(environment),
  path: environment.COMPOSE_PATH ?? ''
})

/**
 * Make a store in a new or empty folder. In a store that is there already nothing changes.
 * @returns whether it was made
 * @throws StrataError STORE_EXISTS when the folder holds something else, or a store of another profile or group is
 *   asked for; STORE_ACCESS when folders cannot be given to the group
 */
export async function initStore(
  folder: string,
  profile: Profile = DEFAULT_PROFILE,
  { group }: InitOptions = {}
): Promise<boolean> {
  const root = resolve(folder)
  checkProfile(profile)
  // Only here: every command opens stores, and most write none.
  const { exists, makeFolder, TemporaryFile } = await import('./temporary-file.ts')
  const { syncFolder } = await import('./sync-folder.ts')
  if (await exists(join(root, STORE_FILE))) {
    assertSameStore(await readRoot(root), { root, profile, group })
    return false
  }
  await makeFolder(root)
  // What an interrupted init left behind may be there, and nothing else.
  const known = new Set<string>(FOLDERS.map(name => name.split('/')[0]))
  const strangers = (await readdir(root)).filter(name => !known.has(name))
  if (strangers.length > 0)
    throw new StrataError('STORE_EXISTS', {
      message: `${root} is neither empty nor a store: it holds ${strangers.slice(0, 3).join(', ')}`,
      hint: 'compose init NEW_FOLDER'
    })
  if (group === undefined) await makeOwnFolders(root)
  else {
    const { makeGroupFolders } = await import('./access/group-store.ts')
    await makeGroupFolders(root, group, profile)
  }
  // An interrupted init may have made some of them.
  for (const folder of new Set([root, ...FOLDERS.map(name => dirname(join(root, name)))]))
    await syncFolder(folder)
  await syncFolder(dirname(root)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EACCES') throw error // who may not list it did not make the store's folder either
  })
  const file = await TemporaryFile.create(root)
  try {
    await file.handle.writeFile(
      `${JSON.stringify({ strata: 'store', version: STORE_VERSION, profile, group }, null, 2)}\n`
    )
    return await file.publish(join(root, STORE_FILE)) // last: without it the folder is no store
  } finally {
    await file.discard()
  }
}

async function makeOwnFolders(root: string): Promise<void> {
  const { makeFolder } = await import('./temporary-file.ts')
  for (const name of FOLDERS) await makeFolder(join(root, name))
  await chmod(join(root, TMP), 0o700) // files without a name yet are nobody else's business
}

/** @throws StrataError STORE_EXISTS */
function assertSameStore(there: StoreRoot, asked: StoreRoot): void {
  if (JSON.stringify(there.profile) === JSON.stringify(asked.profile) && there.group === asked.group) return
  throw new StrataError('STORE_EXISTS', {
    message: `${asked.root} is a store already, ${describeRoot(there)}, not ${describeRoot(asked)}`,
    hint: `compose init ANOTHER_FOLDER`
  })
}

const describeRoot = ({ profile, group }: StoreRoot): string =>
  `with ${describeProfile(profile)}${group === undefined ? '' : `, of gid ${group}`}`

/** @throws StrataError STORE_MISSING, STORE_VERSION, MANIFEST_INVALID */
export async function openStore(places: StorePlaces = placesFromEnvironment()): Promise<Store> {
  const first = await readRoot(resolve(places.store ?? placesFromEnvironment().store))
  const further = (places.path ?? '').split(':').filter(path => path !== '')
  const searched = [first]
  for (const path of further) {
    const root = resolve(path)
    if (!searched.some(store => store.root === root)) searched.push(await readRoot(root))
  }
  return { ...first, searched }
}

async function readRoot(root: string): Promise<StoreRoot> {
  const path = join(root, STORE_FILE)
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error
    throw new StrataError('STORE_MISSING', {
      message: `no store at ${root}: ${STORE_FILE} is not there`,
      hint: `compose init ${root}`,
      cause: error
    })
  })
  return { root, ...parseStoreFile(text, path) }
}

function parseStoreFile(text: string, path: string): Pick<StoreRoot, 'profile' | 'group'> {
  let parsed: Partial<{ strata: string; version: number; profile: Profile; group: number }>
  try {
    parsed = JSON.parse(text)
    if (parsed?.strata !== 'store') throw new Error('"strata" is not "store"')
    const { group = 0 } = parsed
    if (!Number.isInteger(group) || group < 0 || group > MAX_ID)
      throw new Error('"group" is no id of a group')
    if (!isMap(parsed.profile ?? {}) || parsed.profile === null) throw new Error('"profile" is no map')
    if (typeof parsed.version === 'object') throw new Error('"version" is no number')
  } catch (error) {
    throw new StrataError('MANIFEST_INVALID', {
      message: `${path} does not describe a store: ${(error as Error).message}`,
      cause: error
    })
  }
  if (parsed.version !== STORE_VERSION)
    throw new StrataError('STORE_VERSION', {
      message: `${path}: version ${parsed.version}, wanted ${STORE_VERSION}`,
      hint: 'install the release of Strata that made this store'
    })
  try {
    const { group } = parsed
    return {
      profile: checkProfile({ ...DEFAULT_PROFILE, ...parsed.profile }),
      ...(group !== undefined && { group })
    }
  } catch (error) {
    throw new StrataError('MANIFEST_INVALID', {
      message: `${path}: ${(error as Error).message}`,
      cause: error
    })
  }
}

const isMap = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** @throws StrataError STORE_READONLY before any work is done in vain */
export async function assertWritable({ root }: StoreRoot): Promise<void> {
  await access(join(root, 'tmp'), 2 /* W_OK */).catch(error => {
    throw new StrataError('STORE_READONLY', {
      message: `no permission to write to the store at ${root}`,
      hint: 'COMPOSE_STORE=FOLDER names a store of your own; compose init makes it',
      cause: error
    })
  })
}

export const describeProfile = ({ compressor, level, blockSize }: Profile): string =>
  `${compressor} level ${level}, blocks of ${blockSize / 1024} KiB`
