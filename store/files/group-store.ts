/**
 * Folders of a store that a group publishes to (spec/store-layout.md#shared). Members add files to all of them, but
 * nobody can remove or replace another user's file.
 *
 * In most of these folders, a member can make a link to any folder of the machine at any time. So a folder is given to
 * the group only by a descriptor that was opened below the store without following links, and never by a path.
 */
import { closeSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { chmodAt, chownAt, constants, type FileStatus, fstatAt } from '../../native/index.ts'
import { groupName } from '../accounts/index.ts'
import { type Profile, profileKey, StrataError } from '../values/index.ts'
import { entriesBelow } from './content-file.ts'
import { storeFolder } from './held-folder.ts'
import type { StoreFolder, StorePath } from './store-folder.ts'
import { BLOBS, DATA, FOLDERS, INDEX, OBJECTS, OCI, PARTS, SIGNATURES, TMP } from './store-layout.ts'

/** Only the owner of the store can move its folders. */
const OF_ROOT = 0o2755
/** Sticky: only the owner of a file or of the folder can remove the file. */
const OF_FILES = 0o3775
/** Files that have no name yet are of no concern to others. */
const OF_TMP = 0o3770
/** Any publisher can replace refs and the index. */
const OF_REFS = 0o2775
const MODE_BITS = 0o7777
const SPREAD = 256

const { O_DIRECTORY, O_PATH, S_IFDIR, S_IFMT } = constants

/** Folders whose files are never replaced; all but signatures are named by digests. */
const STICKY = ['blobs', DATA, OBJECTS, OCI, PARTS, SIGNATURES]

const modeOf = (folder: string): number =>
  folder === ''
    ? OF_ROOT
    : folder === TMP
      ? OF_TMP
      : STICKY.some(area => folder === area || folder.startsWith(`${area}/`))
        ? OF_FILES
        : OF_REFS

/**
 * Makes the folders, whatever the umask. The owner of a sticky folder may remove anything in it. So all folders ab/ are
 * made here, and belong to the maker of the store and not to the first publisher who needs them.
 * @throws StrataError STORE_ACCESS if the user may not give a folder to the group; STORE_FOLDER
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
      giveToGroup(fd, store.displayPath(folder), gid, modeOf(folder))
    } finally {
      closeSync(fd)
    }
  }
  for (const folder of ['', ...parents(), ...profileFolders(profile)]) await store.sync(folder)
}

/** `blobs`, `blobs/sha256`, …: each folder comes after its parent. */
const parents = (): string[] => [
  ...new Set(
    FOLDERS.flatMap(folder => folder.split('/').map((_, i, parts) => parts.slice(0, i + 1).join('/')))
  )
]

const profileFolders = (profile: Profile): string[] =>
  [DATA, OBJECTS].map(area => `${area}/${profileKey(profile)}`)

function* spread(profile: Profile): Generator<string> {
  yield* profileFolders(profile)
  for (const area of [BLOBS, PARTS, SIGNATURES, ...profileFolders(profile)])
    for (let start = 0; start < SPREAD; start++) yield `${area}/${start.toString(16).padStart(2, '0')}`
}

function giveToGroup(fd: number, path: string, gid: number, mode: number): void {
  try {
    chownAt(fd, '', fstatAt(fd).uid, gid)
    chmodAt(fd, '', mode)
  } catch (cause) {
    throw notGiven(path, gid, (cause as Error).message, cause)
  }
  const found = fstatAt(fd)
  // chmod(2) silently clears the set-gid bit if the user is not in the group.
  if (!isAsWanted(found, gid, mode))
    throw notGiven(path, gid, `it has ${showAccessOf(found)}, wanted ${octal(mode)}`)
}

export interface FolderFault {
  /** '' for the store itself. */
  path: StorePath
  message: string
  repaired: boolean
}

/**
 * Finds folders, of any profile, that differ from those of {@link makeGroupFolders}. Something else in the place of a
 * folder is reported and left for people to look at.
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

/** Faults of a folder and of those below it, except databases in index/ and entries of tmp/. */
function* faultsBelow(check: Check, folder: StorePath): Generator<FolderFault> {
  const fault = check.store.withInode(folder, fd => faultOf(fd, check, folder))
  if (fault !== undefined) yield fault
  if (folder === TMP || folder === INDEX) return
  for (const { name, type } of entriesBelow(check.store.root, folder)) {
    const inner = folder === '' ? name : `${folder}/${name}`
    // Other entries of the root are not part of the store.
    if (folder === '' && !isPart(inner)) continue
    if (type === S_IFDIR) yield* faultsBelow(check, inner)
    else if (isFolderOfStore(inner))
      yield {
        path: inner,
        message: `${check.store.displayPath(inner)} is not a folder, wanted one`,
        repaired: false
      }
  }
}

function faultOf(fd: number, { store, gid, repair }: Check, folder: StorePath): FolderFault | undefined {
  const [path, mode, found] = [store.displayPath(folder), modeOf(folder), fstatAt(fd)]
  if ((found.mode & S_IFMT) !== S_IFDIR || isAsWanted(found, gid, mode)) return undefined
  const message = `folder ${path} has ${showAccessOf(found)}, wanted ${octal(mode)} and gid ${gid}`
  return { path: folder, message, repaired: repair && isGiven(fd, path, gid, mode) }
}

function isGiven(fd: number, path: string, gid: number, mode: number): boolean {
  try {
    giveToGroup(fd, path, gid, mode)
    return true
  } catch (error) {
    if (error instanceof StrataError) return false
    throw error
  }
}

const isPart = (name: string): boolean => FOLDERS.some(known => known.split('/')[0] === name)

/** True for folders that `init` makes, and for `ab/` below blobs, data, objects and parts. */
const isFolderOfStore = (folder: string): boolean =>
  parents().includes(folder) ||
  /^((blobs|data|objects|oci|refs\/signatures)\/[^/]+(\/[0-9a-f]{2})?|parts\/[0-9a-f]{2})$/.test(folder)

const isAsWanted = (found: FileStatus, gid: number, mode: number): boolean =>
  (found.mode & S_IFMT) === S_IFDIR && found.gid === gid && (found.mode & MODE_BITS) === mode

const showAccessOf = ({ mode, gid }: FileStatus): string => `mode ${octal(mode & MODE_BITS)} and gid ${gid}`

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
