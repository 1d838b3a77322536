/**
 * Opens published files. Readers hash the bytes; here we check that only users who may publish can have written the
 * file (spec/store-layout.md#trust). Every check is made on the open file, so that no other can take its place.
 */

import { readFileSync } from 'node:fs'
import { constants, type FileStatus, fstatAt } from '../../native/index.ts'
import { type HeldFile, isWritableByOthers } from '../disk/index.ts'
import { storeFolder } from './held-folder.ts'
import type { FileFault } from './open-faults.ts'
import type { StoreFolder, StorePath } from './store-folder.ts'
import { BLOBS, STORE_FILE, TMP } from './store-layout.ts'

const { S_IFMT, S_IFREG } = constants

/**
 * @param storeRoot of the store that the file is part of
 * @throws StrataError BLOB_CORRUPT, naming the file, if it is not a regular file, can be written to by others, has
 * names that cannot be explained, or belongs to somebody who does not publish here
 * @throws StrataError ACCESS_DENIED if it is only for groups that the user is not in
 */
export async function openStoreFile(storeRoot: string, path: StorePath): Promise<HeldFile> {
  const store = storeFolder(storeRoot)
  const file = await openOrExplain(store, path)
  try {
    const fault = faultOf(store, file)
    if (fault === undefined) return file
    const { untrustedFile } = await import('./open-faults.ts')
    throw untrustedFile(store.displayPath(path), fault)
  } catch (error) {
    await file.close()
    throw error
  }
}

async function openOrExplain(store: StoreFolder, path: StorePath): Promise<HeldFile> {
  try {
    return store.openFile(path)
  } catch (error) {
    const { openFailure } = await import('./open-faults.ts')
    throw openFailure(store, path, error as NodeJS.ErrnoException)
  }
}

/**
 * Reads a small published file whole, with the checks of `openStoreFile`, in one synchronous call: handing it to a
 * thread takes longer.
 * @returns undefined if it cannot be opened or believed, or is larger than `mostBytes`; `openStoreFile` says why
 */
export function readStoreFile(storeRoot: string, path: StorePath, mostBytes: number): Buffer | undefined {
  const store = storeFolder(storeRoot)
  let file: HeldFile | undefined
  try {
    file = store.openFile(path)
    const isFit = faultOf(store, file) === undefined && fstatAt(file.fd).size <= mostBytes
    return isFit ? readFileSync(file.fd) : undefined
  } catch {
    return undefined
  } finally {
    file?.closeSync()
  }
}

/** Like `openStoreFile`; undefined if nothing has this name. */
export function openStoreFileIfThere(storeRoot: string, path: StorePath): Promise<HeldFile | undefined> {
  return openStoreFile(storeRoot, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw error
  })
}

export function faultOf(store: StoreFolder, { fd }: HeldFile): FileFault | undefined {
  const { mode, nlink, uid } = fstatAt(fd)
  if ((mode & S_IFMT) !== S_IFREG) return { is: 'not a file' }
  if (isWritableByOthers(mode)) return { is: 'writable', mode }
  if (hasStrangeNames(store, fd)) return { is: 'linked', names: nlink }
  const { owner, isShared } = publishersOf(store.root)
  if (isShared || isTrusted(store.root, uid)) return undefined
  return { is: 'foreign', uid, wanted: [...new Set([owner, 0])] }
}

/**
 * True if a file has names that cannot be explained. A publisher who is working, or was killed, leaves a second name in
 * tmp/. Users who may not look into tmp/ accept one more name, because a name gives nobody a right to write.
 */
export function hasStrangeNames(store: StoreFolder, fd: number): boolean {
  const status = fstatAt(fd)
  if (status.nlink <= 1) return false
  const inTmp = namesInTmp(store, status)
  return fstatAt(fd).nlink > 1 + inTmp // counted again, because a name that left tmp/ meanwhile is gone
}

function namesInTmp(store: StoreFolder, { ino, dev }: FileStatus): number {
  try {
    const isName = (name: string) => {
      const status = store.status(`${TMP}/${name}`)
      return status?.ino === ino && status.dev === dev
    }
    return (store.list(TMP) ?? []).filter(({ name }) => isName(name)).length
  } catch {
    return 1
  }
}

/** The users to whom files of a store may belong. */
export interface Publishers {
  owner: number
  /** True if others than the owner may add files. They may leave the group later, and their files stay. */
  isShared: boolean
}

const known = new Map<string, Publishers>()

export function publishersOf(storeRoot: string): Publishers {
  const there = known.get(storeRoot) ?? readPublishers(storeFolder(storeRoot))
  known.set(storeRoot, there)
  return there
}

/**
 * True if files of this user in a store are believed without proof: those of root, of the store's owner, and of the
 * user who asks. Files of other members of a publishing group are believed only if a hash proves them
 * (spec/store-layout.md#trust).
 */
export const isTrusted = (storeRoot: string, uid: number): boolean =>
  [0, publishersOf(storeRoot).owner, process.geteuid!()].includes(uid)

function readPublishers(store: StoreFolder): Publishers {
  const made = store.status(STORE_FILE) ?? store.status('')!
  return { owner: made.uid, isShared: isWritableByOthers(store.status(BLOBS)?.mode ?? 0) }
}
