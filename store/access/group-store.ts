/**
 * Folders of a store that a group publishes to (spec/store-layout.md#shared): members add files to all of them, and
 * nobody takes away or replaces a file of somebody else.
 */
import type { Stats } from 'node:fs'
import { chmod, chown, lstat, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { StrataError } from '../errors.ts'
import { type Profile, profileKey } from '../object/profile.ts'
import { BLOBS, DATA, FOLDERS, OBJECTS, OCI, TMP } from '../store-layout.ts'
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
  for (const folder of ['', ...parents(), ...spread(profile)]) {
    const path = join(root, folder)
    await mkdir(path, 0o700).catch(error => {
      if (error.code !== 'EEXIST') throw error
    })
    await give(path, gid, modeOf(folder))
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

async function give(path: string, gid: number, mode: number): Promise<void> {
  try {
    await chown(path, -1, gid)
    await chmod(path, mode)
  } catch (cause) {
    throw notGiven(path, gid, (cause as Error).message, cause)
  }
  const found = await lstat(path)
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

/** Folders, of any profile, that are not as {@link makeGroupFolders} makes them. */
export async function checkGroupFolders(
  root: string,
  gid: number,
  { repair }: { repair: boolean }
): Promise<FolderFault[]> {
  const faults: FolderFault[] = []
  for await (const folder of foldersOf(root)) {
    const [path, mode] = [join(root, folder), modeOf(folder)]
    const found = await lstat(path)
    if (isAsWanted(found, gid, mode)) continue
    const message = `folder ${path} has ${shown(found)}, wanted ${octal(mode)} and gid ${gid}`
    const repaired = repair && (await give(path, gid, mode).then(() => true, isRefused))
    faults.push({ path, message, repaired })
  }
  return faults
}

function isRefused(error: unknown): false {
  if (error instanceof StrataError) return false
  throw error
}

/** All but those of databases in index/ and what lies in tmp/. */
async function* foldersOf(root: string, folder = ''): AsyncGenerator<string> {
  yield folder
  if (folder === TMP || folder === 'index') return
  const entries = await readdir(join(root, folder), { withFileTypes: true })
  const names = entries.filter(entry => entry.isDirectory()).map(({ name }) => name)
  for (const name of names.sort()) {
    // What else somebody put into the root is not part of the store.
    if (folder === '' && !FOLDERS.some(known => known.split('/')[0] === name)) continue
    yield* foldersOf(root, folder === '' ? name : `${folder}/${name}`)
  }
}

const isAsWanted = (found: Stats, gid: number, mode: number): boolean =>
  found.isDirectory() && found.gid === gid && (found.mode & MODE_BITS) === mode

const shown = ({ mode, gid }: Stats): string => `mode ${octal(mode & MODE_BITS)} and gid ${gid}`

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
