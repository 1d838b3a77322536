/**
 * A cache of layers in the form of OCI layouts, from which the next layout copies them
 * (spec/store-layout.md#oci-layers). A faulty entry counts as missing, and if an entry cannot be written, the command
 * goes on without it.
 */
import { fstatSync } from 'node:fs'
import { copyRanges, type NativeError, utimensAt } from '../../native/index.ts'
import { accessOfLayers } from '../access/index.ts'
import { isAsChecked, NOTE_ENDING, noteChecked } from '../contents/index.ts'
import type { OpenFile } from '../disk/index.ts'
import {
  cachedLayerPath,
  EVERYONE,
  isMade,
  isTrusted,
  type LayerCacheKey,
  openStoreFile,
  type Store,
  type StorePath,
  showUser,
  storeFolder,
  TemporaryFile
} from '../files/index.ts'
import { hashFile } from '../object/index.ts'
import { StrataError } from '../values/index.ts'
import { type CachedNote, formatNote, parseNote } from './cached-note.ts'

export const CACHED_NOTE_ENDING = '.json'

/**
 * The time is renewed at most once a day: each renewal is a write, and `compose gc` counts in days
 * (spec/store-layout.md#gc).
 */
const RENEWED_AFTER_MS = 86_400_000

export interface CachedLayer {
  note: CachedNote
  /** Open for reading; the caller closes it. */
  file: OpenFile
}

/**
 * The layer in the first store that has it whole and lets us read it.
 * @param verify hash it, even if it is the file that was checked last
 */
export async function findCachedLayer(
  { searched }: Store,
  key: LayerCacheKey,
  { verify }: { verify: boolean }
): Promise<CachedLayer | undefined> {
  for (const { root } of searched) {
    const found = await openCached(root, cachedLayerPath(key), verify).catch(ignoreFault)
    if (found !== undefined) return found
  }
}

async function openCached(root: string, path: StorePath, verify: boolean): Promise<CachedLayer | undefined> {
  const note = await readCachedNote(root, path, { isUse: true })
  const file = await openStoreFile(root, path)
  try {
    if (verify || !isAsChecked(root, path, file, note.digest)) {
      await checkBlob(file, storeFolder(root).displayPath(path), note)
      await noteChecked(root, path, file, note.digest)
    }
    if (fstatSync(file.fd).size === note.size) return { note, file }
  } catch (error) {
    await file.close()
    throw error
  }
  await file.close()
}

/** @throws StrataError OBJECT_CORRUPT; as openStoreFile */
export async function readCachedNote(
  root: string,
  path: StorePath,
  { isUse = false } = {}
): Promise<CachedNote> {
  const notePath = `${path}${CACHED_NOTE_ENDING}`
  const file = await openStoreFile(root, notePath)
  try {
    const { uid, mtimeMs } = fstatSync(file.fd)
    if (isUse && !isTrusted(root, uid)) throw notBelieved(storeFolder(root).displayPath(notePath), uid)
    if (isUse && Date.now() - mtimeMs > RENEWED_AFTER_MS) renewTime(file)
    return parseNote(await file.readFile('utf8'), storeFolder(root).displayPath(notePath))
  } finally {
    await file.close()
  }
}

/** Nothing proves from which layers a packed one was made, so notes of other group members are not believed. */
const notBelieved = (path: string, uid: number): StrataError =>
  new StrataError('OBJECT_CORRUPT', {
    message: `note ${path} belongs to ${showUser(uid)}`,
    facts: { file: path }
  })

/** The time of another publisher's file, or in a read-only store, stays as it is. */
function renewTime({ fd }: OpenFile): void {
  try {
    utimensAt(fd, '', Math.floor(Date.now() / 1000), 0)
  } catch (error) {
    if (!['EACCES', 'EPERM', 'EROFS'].includes((error as NativeError).code)) throw error
  }
}

/**
 * @param path for messages
 * @throws StrataError OBJECT_CORRUPT
 */
export async function checkBlob(
  file: OpenFile,
  path: string,
  { digest, size }: CachedNote,
  onBytes: (bytes: number) => void = () => {}
): Promise<void> {
  const { sizeBytes, sha256 } = await hashFile(file, onBytes)
  const found = sha256.toString('hex')
  if (found === digest && sizeBytes === size) return
  throw new StrataError('OBJECT_CORRUPT', {
    message: `packed layer ${path} hashes to sha256:${found}, its note says ${digest}`,
    facts: { file: path },
    hint: 'compose fsck --repair'
  })
}

/**
 * Keeps a copy of a blob; it shares the blocks if the file system can.
 * @param blob the bytes that the note describes
 * @returns the reason if it was not kept: a full disk, no permission, another publisher's file of that name
 */
export async function cacheLayer(
  store: Store,
  key: LayerCacheKey,
  note: CachedNote,
  blob: OpenFile
): Promise<string | undefined> {
  if (!isMade(store)) return `there is no store at ${store.root}`
  try {
    await publish(store, key, note, blob)
  } catch (error) {
    ignoreFault(error)
    return (error as Error).message
  }
}

async function publish(store: Store, key: LayerCacheKey, note: CachedNote, blob: OpenFile): Promise<void> {
  const { root } = store
  const path = cachedLayerPath(key)
  const copy = TemporaryFile.create(root)
  try {
    const range = { inFd: blob.fd, inOffset: 0, outFd: copy.handle.fd, outOffset: 0, lengthBytes: note.size }
    const copied = await copyRanges([range], { flushes: true }).done
    if (copied !== note.size)
      throw new StrataError('IO', { message: `${copied} bytes of ${note.size} were there` })
    // An existing file is damaged, or its note is lost.
    await copy.replace(path, await accessOfLayers(store, note.layers))
  } finally {
    await copy.discard()
  }
  const published = await openStoreFile(root, path)
  await noteChecked(root, path, published, note.digest).finally(() => published.close())
  await writeNote(root, path, note)
}

async function writeNote(root: string, path: StorePath, note: CachedNote): Promise<void> {
  const file = TemporaryFile.create(root)
  try {
    await file.handle.writeFile(formatNote(note))
    await file.replace(`${path}${CACHED_NOTE_ENDING}`, EVERYONE)
  } finally {
    await file.discard()
  }
}

/** Removes the note first: without it the other files do not count. @param path of the blob */
export function removeCachedLayer(root: string, path: StorePath): void {
  for (const ending of [CACHED_NOTE_ENDING, NOTE_ENDING, '']) storeFolder(root).remove(`${path}${ending}`)
}

/**
 * Ignores faults of the entry, of permissions and of the disk. Other errors are mistakes in this program and are
 * thrown.
 */
function ignoreFault(error: unknown): undefined {
  const isFault = error instanceof StrataError || (error as NodeJS.ErrnoException).syscall !== undefined
  if (!isFault) throw error
}
