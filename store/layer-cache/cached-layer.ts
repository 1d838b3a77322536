/**
 * Layers as they stand in OCI layouts, kept so that the next layout copies them (spec/store-layout.md#oci-layers). A
 * cache: nothing needs it, whatever is wrong with an entry it counts as not there, and where none can be written none is.
 */
import { fstatSync } from 'node:fs'
import { type FileHandle, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { copyRanges } from '../../native/index.ts'
import { EVERYONE } from '../access/file-access.ts'
import { accessOfLayers } from '../access/layer-access.ts'
import { openStoreFile } from '../access/open-file.ts'
import { StrataError } from '../errors.ts'
import { isAsChecked, NOTE_ENDING, noteChecked } from '../object/data-identity.ts'
import { hashFile } from '../object/hashed-file.ts'
import type { Store } from '../store.ts'
import { cachedLayerPath, type LayerCacheKey } from '../store-layout.ts'
import { TemporaryFile } from '../temporary-file.ts'
import { type CachedNote, formatNote, parseNote } from './cached-note.ts'

export const CACHED_NOTE_ENDING = '.json'

/** Renewing a time costs a write; the time is compared with days (spec/store-layout.md#gc). */
const RENEWED_AFTER_MS = 86_400_000

export interface CachedLayer {
  note: CachedNote
  /** Open for reading; whoever asked for it closes it. */
  file: FileHandle
}

/**
 * From the first store that has it whole and lets us read it.
 * @param verify hash it, even if it is the file that was checked last
 */
export async function findCachedLayer(
  { searched }: Store,
  key: LayerCacheKey,
  { verify }: { verify: boolean }
): Promise<CachedLayer | undefined> {
  for (const { root } of searched) {
    const found = await openCached(root, join(root, cachedLayerPath(key)), verify).catch(ignoreFault)
    if (found !== undefined) return found
  }
}

async function openCached(root: string, path: string, verify: boolean): Promise<CachedLayer | undefined> {
  const note = await readCachedNote(root, path, { isUse: true })
  const file = await openStoreFile(root, path)
  try {
    if (verify || !(await isAsChecked(root, path, file))) {
      await checkBlob(file, path, note)
      await noteChecked(root, path, file)
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
  path: string,
  { isUse = false } = {}
): Promise<CachedNote> {
  const notePath = `${path}${CACHED_NOTE_ENDING}`
  const file = await openStoreFile(root, notePath)
  try {
    if (isUse && Date.now() - fstatSync(file.fd).mtimeMs > RENEWED_AFTER_MS) await renewTime(file)
    return parseNote(await file.readFile('utf8'), notePath)
  } finally {
    await file.close()
  }
}

/** Another publisher's, or in a store that is only read: its time stays. */
const renewTime = (file: FileHandle): Promise<void> => {
  const now = new Date()
  return file.utimes(now, now).catch((error: NodeJS.ErrnoException) => {
    if (!['EACCES', 'EPERM', 'EROFS'].includes(error.code ?? '')) throw error
  })
}

/** @throws StrataError OBJECT_CORRUPT */
export async function checkBlob(
  file: FileHandle,
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
 * Keep a blob: a copy, with the blocks shared where the file system can.
 * @param blob the bytes that the note is of
 * @returns why it was not kept, if it was not: a full disk, no permission, another publisher's file of that name
 */
export async function cacheLayer(
  store: Store,
  key: LayerCacheKey,
  note: CachedNote,
  blob: FileHandle
): Promise<string | undefined> {
  try {
    await publish(store, key, note, blob)
  } catch (error) {
    ignoreFault(error)
    return (error as Error).message
  }
}

async function publish(store: Store, key: LayerCacheKey, note: CachedNote, blob: FileHandle): Promise<void> {
  const { root } = store
  const path = join(root, cachedLayerPath(key))
  const copy = await TemporaryFile.create(root)
  try {
    const range = { inFd: blob.fd, inOffset: 0, outFd: copy.handle.fd, outOffset: 0, lengthBytes: note.size }
    const copied = await copyRanges([range], { flushes: true }).done
    if (copied !== note.size)
      throw new StrataError('IO', { message: `${copied} bytes of ${note.size} were there` })
    // What is there already is damaged, or its note is lost.
    await copy.replace(path, await accessOfLayers(store, note.layers))
  } finally {
    await copy.discard()
  }
  const published = await openStoreFile(root, path)
  await noteChecked(root, path, published).finally(() => published.close())
  await writeNote(root, path, note)
}

async function writeNote(root: string, path: string, note: CachedNote): Promise<void> {
  const file = await TemporaryFile.create(root)
  try {
    await file.handle.writeFile(formatNote(note))
    await file.replace(`${path}${CACHED_NOTE_ENDING}`, EVERYONE)
  } finally {
    await file.discard()
  }
}

/** The note goes first: without it the others are nothing. @param path of the blob */
export async function removeCachedLayer(path: string): Promise<void> {
  for (const ending of [CACHED_NOTE_ENDING, NOTE_ENDING, ''])
    await unlink(`${path}${ending}`).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
    })
}

/** Faults of the entry, of permissions and of the disk; anything else is a mistake in here. */
function ignoreFault(error: unknown): undefined {
  const isFault = error instanceof StrataError || (error as NodeJS.ErrnoException).syscall !== undefined
  if (!isFault) throw error
}
