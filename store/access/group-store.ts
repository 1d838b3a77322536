/**
 * Folders of a store that a group publishes to (spec/store-layout.md#shared): members add files to all of them, and
 * nobody takes away or replaces a file of somebody else.
 *
 * A member can make a link to any folder of the machine in most of them, at any time. So what is given to the group is
 * a folder that was opened below the store without following any link, and never what a path leads to.
 */
import { closeSync, openSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import {
  chmodAt,
  chownAt,
  constants,
  type FileStatus,
  fstatAt,
  mkdirAt,
  type NativeError,
  openBeneath,
  readDirAt,
  reopen
} from '../../native/index.ts'
import { StrataError } from '../errors.ts'
import { type Profile, profileKey } from '../object/profile.ts'
import { BLOBS, DATA, FOLDERS, INDEX, OBJECTS, OCI, TMP } from '../store-layout.ts'
import { syncFolder } from '../temporary-file.ts'
import { groupName } from './host-groups.ts'

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

const { O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDONLY, S_IFDIR, S_IFMT } = constants
/** No permission on it is needed. */
const HANDLE = O_PATH | O_NOFOLLOW

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
 * @throws StrataError STORE_ACCESS when the user may not give a folder to the group
 */
export async function makeGroupFolders(root: string, gid: number, profile: Profile): Promise<void> {
  await mkdir(root, 0o700).catch(error => {
    if (error.code !== 'EEXIST') throw error
  })
  const top = openSync(root, O_RDONLY | O_DIRECTORY)
  try {
    give(top, root, gid, modeOf(''))
    for (const folder of [...parents(), ...spread(profile)]) makeFolder(top, { root, folder, gid })
  } finally {
    closeSync(top)
  }
  for (const folder of ['', ...parents(), ...profileFolders(profile)]) await syncFolder(join(root, folder))
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

interface GroupFolder {
  root: string
  /** Relative to it. */
  folder: string
  gid: number
}

/** @param top descriptor of the store */
function makeFolder(top: number, { root, folder, gid }: GroupFolder): void {
  const path = join(root, folder)
  try {
    const name = folder.slice(folder.lastIndexOf('/') + 1)
    within(top, dirname(folder), parent => mkdirUnlessThere(parent, name))
    within(top, folder, fd => give(fd, path, gid, modeOf(folder)))
  } catch (cause) {
    const { code } = cause as NativeError
    if (code !== 'ENOTDIR' && code !== 'ELOOP') throw cause
    throw new StrataError('STORE_ACCESS', {
      message: `${path}, or what it lies in, is no folder, and one should be there`,
      facts: { folder: path },
      hint: `ls -ld ${path}`,
      cause
    })
  }
}

/** With a folder below another, opened without following any link. */
function within(top: number, folder: string, work: (fd: number) => void): void {
  const fd = openBeneath(top, Buffer.from(folder), HANDLE | O_DIRECTORY)
  try {
    work(fd)
  } finally {
    closeSync(fd)
  }
}

function mkdirUnlessThere(parent: number, name: string): void {
  try {
    mkdirAt(parent, name, 0o700)
  } catch (error) {
    if ((error as NativeError).code !== 'EEXIST') throw error
  }
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
  /** Absolute. */
  path: string
  message: string
  repaired: boolean
}

/**
 * Folders, of any profile, that are not as {@link makeGroupFolders} makes them. What is no folder where one should be
 * is told, and left to somebody who looks at it.
 */
export async function checkGroupFolders(
  root: string,
  gid: number,
  { repair }: { repair: boolean }
): Promise<FolderFault[]> {
  const top = openSync(root, O_PATH | O_DIRECTORY)
  try {
    return [...faultsBelow(top, { root, folder: '', gid }, repair)]
  } finally {
    closeSync(top)
  }
}

/** Of a folder and what is in it, but for databases in index/ and what lies in tmp/. */
function* faultsBelow(fd: number, at: GroupFolder, repair: boolean): Generator<FolderFault> {
  const { root, folder, gid } = at
  const [path, mode, found] = [join(root, folder), modeOf(folder), fstatAt(fd)]
  if (!isAsWanted(found, gid, mode)) {
    const message = `folder ${path} has ${shown(found)}, wanted ${octal(mode)} and gid ${gid}`
    yield { path, message, repaired: repair && isGiven(fd, path, gid, mode) }
  }
  if (folder === TMP || folder === INDEX) return
  for (const name of namesIn(fd)) {
    const inner = folder === '' ? name : `${folder}/${name}`
    // What else somebody put into the root is not part of the store.
    if (folder === '' && !isPart(inner)) continue
    yield* faultsOf(fd, name, { ...at, folder: inner }, repair)
  }
}

function* faultsOf(parent: number, name: string, at: GroupFolder, repair: boolean): Generator<FolderFault> {
  const fd = openEntry(parent, name)
  if (fd === undefined) return
  try {
    if ((fstatAt(fd).mode & S_IFMT) === S_IFDIR) yield* faultsBelow(fd, at, repair)
    else if (isFolderOfStore(at.folder)) {
      const path = join(at.root, at.folder)
      yield { path, message: `${path} is no folder, and one should be there`, repaired: false }
    }
  } finally {
    closeSync(fd)
  }
}

/** Whatever it is, a link as a link. @returns undefined where it is gone */
function openEntry(parent: number, name: string): number | undefined {
  try {
    return openBeneath(parent, name, HANDLE)
  } catch (error) {
    if ((error as NativeError).code === 'ENOENT') return undefined
    throw error
  }
}

function namesIn(handle: number): string[] {
  const fd = reopen(handle, O_RDONLY | O_DIRECTORY)
  try {
    return readDirAt(fd).names.sort()
  } finally {
    closeSync(fd)
  }
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
