/**
 * Folders of a store that a group publishes to (spec/store-layout.md#shared): members add files to all of them, and
 * nobody takes away or replaces a file of somebody else.
 *
 * A member can make a link to any folder of the machine in most of them, at any time. So what is given to the group is
 * a folder that was opened below the store without following any link, and never what a path leads to.
 */
import { closeSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { chmodAt, chownAt, constants, type FileStatus, fstatAt } from '../../native/index.ts'
import { groupName } from '../accounts/index.ts'
import { type Profile, profileKey, StrataError } from '../values/index.ts'
import { entriesBelow } from './content-file.ts'
import { storeFolder } from './held-folder.ts'
import type { StoreFolder, StorePath } from './store-folder.ts'
import { BLOBS, DATA, FOLDERS, INDEX, OBJECTS, OCI, TMP } from './store-layout.ts'

/** Nobody but the owner of the store moves its folders. */
const OF_ROOT = 0o2755
/** Sticky: what lies there is taken away by who owns it, or the folder. */
const OF_FILES = 0o3775
/** Files without a name yet are nobody else's business. */
const OF_TMP = 0o3770
/** Refs and the index are replaced by whoever publishes. */
const OF_REFS = 0o2775
const MODE_BITS = 0o7777
const SPREAD = 256

const { O_DIRECTORY, O_PATH, S_IFDIR, S_IFMT } = constants

/** Folders whose files are named by digests, and never replaced. */
const STICKY = ['blobs', DATA, OBJECTS, OCI]

const modeOf = (folder: string): number =>
  folder === ''
    ? OF_ROOT
    : folder === TMP
      ? OF_TMP
      : STICKY.includes(folder.split('/')[0])
        ? OF_FILES
        : OF_REFS

/**
 * Make them, whatever the umask. The owner of a sticky folder may take away anything in it; so the folders ab/ are all
 * made here, and belong to who makes the store, and not to the first publisher who comes along.
 * @throws StrataError STORE_ACCESS when the user may not give a folder to the group; STORE_FOLDER
 */
export async function makeGroupFolders(root: string, gid: number, profile: Profile): Promise<void> {
  await mkdir(root, 0o700).catch(error => {
    if (error.code !== 'EEXIST') throw error
  })
  const store = storeFolder(root)
  for (const folder of ['', ...parents(), ...spread(profile)]) {
    if (folder !== '') store.mkdir(folder, 0o700)
    const fd = store.open(folder, O_PATH | O_DIRECTORY)
    try {
      give(fd, store.shown(folder), gid, modeOf(folder))
    } finally {
      closeSync(fd)
    }
  }
  for (const folder of ['', ...parents(), ...profileFolders(profile)]) await store.sync(folder)
}

/** `blobs`, `blobs/sha256`, …: each after the one that it lies in. */
const parents = (): string[] => [
  ...new Set(
    FOLDERS.flatMap(folder => folder.split('/').map((_, i, parts) => parts.slice(0, i + 1).join('/')))
  )
]

const profileFolders = (profile: Profile): string[] =>
  [DATA, OBJECTS].map(area => `${area}/${profileKey(profile)}`)

function* spread(profile: Profile): Generator<string> {
  yield* profileFolders(profile)
  for (const area of [BLOBS, ...profileFolders(profile)])
    for (let start = 0; start < SPREAD; start++) yield `${area}/${start.toString(16).padStart(2, '0')}`
}

function give(fd: number, path: string, gid: number, mode: number): void {
  try {
    chownAt(fd, '', fstatAt(fd).uid, gid)
    chmodAt(fd, '', mode)
  } catch (cause) {
    throw notGiven(path, gid, (cause as Error).message, cause)
  }
  const found = fstatAt(fd)
  // chmod(2) takes the set-gid bit away without a word when the user is not in the group.
  if (!isAsWanted(found, gid, mode))
    throw notGiven(path, gid, `it has ${shown(found)}, wanted ${octal(mode)}`)
}

export interface FolderFault {
  /** '' for the store itself. */
  path: StorePath
  message: string
  repaired: boolean
}

/**
 * Folders, of any profile, that are not as {@link makeGroupFolders} makes them. What is no folder where one should be
 * is told, and left to somebody who looks at it.
 */
export const checkGroupFolders = (
  root: string,
  gid: number,
  { repair }: { repair: boolean }
): FolderFault[] => [...faultsBelow({ store: storeFolder(root), gid, repair }, '')]

interface Check {
  store: StoreFolder
  gid: number
  repair: boolean
}

/** Of a folder and what is in it, but for databases in index/ and what lies in tmp/. */
function* faultsBelow(check: Check, folder: StorePath): Generator<FolderFault> {
  const fault = check.store.withInode(folder, fd => faultOf(fd, check, folder))
  if (fault !== undefined) yield fault
  if (folder === TMP || folder === INDEX) return
  for (const { name, type } of entriesBelow(check.store.root, folder)) {
    const inner = folder === '' ? name : `${folder}/${name}`
    // What else somebody put into the root is not part of the store.
    if (folder === '' && !isPart(inner)) continue
    if (type === S_IFDIR) yield* faultsBelow(check, inner)
    else if (isFolderOfStore(inner))
      yield {
        path: inner,
        message: `${check.store.shown(inner)} is no folder, and one should be there`,
        repaired: false
      }
  }
}

function faultOf(fd: number, { store, gid, repair }: Check, folder: StorePath): FolderFault | undefined {
  const [path, mode, found] = [store.shown(folder), modeOf(folder), fstatAt(fd)]
  if ((found.mode & S_IFMT) !== S_IFDIR || isAsWanted(found, gid, mode)) return undefined
  const message = `folder ${path} has ${shown(found)}, wanted ${octal(mode)} and gid ${gid}`
  return { path: folder, message, repaired: repair && isGiven(fd, path, gid, mode) }
}

function isGiven(fd: number, path: string, gid: number, mode: number): boolean {
  try {
    give(fd, path, gid, mode)
    return true
  } catch (error) {
    if (error instanceof StrataError) return false
    throw error
  }
}

const isPart = (name: string): boolean => FOLDERS.some(known => known.split('/')[0] === name)

/** Those of `init`, and `ab/` below blobs, data and objects. */
const isFolderOfStore = (folder: string): boolean =>
  parents().includes(folder) || /^(blobs|data|objects|oci)\/[^/]+(\/[0-9a-f]{2})?$/.test(folder)

const isAsWanted = (found: FileStatus, gid: number, mode: number): boolean =>
  (found.mode & S_IFMT) === S_IFDIR && found.gid === gid && (found.mode & MODE_BITS) === mode

const shown = ({ mode, gid }: FileStatus): string => `mode ${octal(mode & MODE_BITS)} and gid ${gid}`

const octal = (mode: number): string => mode.toString(8).padStart(4, '0')

function notGiven(path: string, gid: number, fault: string, cause?: unknown): StrataError {
  const name = groupName(gid)
  return new StrataError('STORE_ACCESS', {
    message: `${path} cannot be given to ${name === undefined ? `gid ${gid}` : `group ${name}`}: ${fault}`,
    facts: { folder: path },
    hint: 'only root and members of a group can give folders to it',
    cause
  })
}
