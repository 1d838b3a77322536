/**
 * Opens published files. Readers hash the bytes; here we check that only users who may publish can have written the
 * file (spec/store-layout.md#trust). Every check is made on the open file, so that no other can take its place.
 */

import { readFileSync } from 'node:fs'
import { constants, type FileStatus, fstatAt } from '../../native/index.ts'
import { userName } from '../accounts/index.ts'
import { type HeldFile, isWritableByOthers } from '../disk/index.ts'
import { StrataError } from '../values/index.ts'
import { EVERYONE, type FoundAccess, readAccess, showAccess } from './file-access.ts'
import { storeFolder } from './held-folder.ts'
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
  const file = openFile(store, path)
  try {
    checkFile(store, path, file)
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}

/**
 * Reads a small published file whole, with the checks of `openStoreFile`, in one synchronous call: handing it to a
 * thread takes longer.
 * @throws as openStoreFile; RangeError if it is larger than `mostBytes`
 */
export function readStoreFile(storeRoot: string, path: StorePath, mostBytes: number): Buffer {
  const store = storeFolder(storeRoot)
  const file = openFile(store, path)
  try {
    checkFile(store, path, file)
    if (fstatAt(file.fd).size > mostBytes) throw new RangeError(`${store.displayPath(path)} is too large`)
    return readFileSync(file.fd)
  } finally {
    file.closeSync()
  }
}

/** Like `openStoreFile`; undefined if nothing has this name. */
export function openStoreFileIfThere(storeRoot: string, path: StorePath): Promise<HeldFile | undefined> {
  return openStoreFile(storeRoot, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw error
  })
}

function checkFile(store: StoreFolder, path: StorePath, { fd }: HeldFile): void {
  const status = fstatAt(fd)
  const shown = store.displayPath(path)
  if ((status.mode & S_IFMT) !== S_IFREG) throw untrustedFile(shown, 'is not a regular file')
  if (isWritableByOthers(status.mode))
    throw untrustedFile(
      shown,
      `can be written to by others: its mode is ${(status.mode & 0o7777).toString(8)}, wanted 0444`
    )
  if (hasStrangeNames(store, fd))
    throw untrustedFile(shown, `has ${status.nlink} names: somebody may have linked it from elsewhere`)
  const { owner, isShared } = publishersOf(store.root)
  if (isShared || isTrusted(store.root, status.uid)) return
  throw untrustedFile(
    shown,
    `belongs to ${showUser(status.uid)}, wanted ${[...new Set([owner, 0])].map(showUser).join(' or ')}`
  )
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

function openFile(store: StoreFolder, path: StorePath): HeldFile {
  try {
    return store.openFile(path)
  } catch (error) {
    throw openFailure(store, path, error as NodeJS.ErrnoException)
  }
}

function openFailure(store: StoreFolder, path: StorePath, error: NodeJS.ErrnoException): unknown {
  const shown = store.displayPath(path)
  if (error.code === 'ELOOP') return untrustedFile(shown, 'is a symbolic link')
  if (error.code === 'ENXIO') return untrustedFile(shown, 'is not a regular file')
  if (error.code !== 'EACCES') return error
  const found = accessIfSeen(store, path)
  if (found === undefined || found.access === EVERYONE) return error
  return new StrataError('ACCESS_DENIED', {
    message: `${shown} is for ${showAccess(found.access)}; you are ${showMe()}`,
    facts: { file: shown, owner: showUser(found.status.uid) },
    hint: 'ask to be added to the group, then log in again',
    cause: error
  })
}

function accessIfSeen(store: StoreFolder, path: StorePath): FoundAccess | undefined {
  try {
    return store.withInode(path, readAccess)
  } catch {
    return undefined // a folder above it denies access, so this is not about the groups of the file
  }
}

const showMe = (): string => showUser(process.geteuid!())

export function showUser(uid: number): string {
  const name = userName(uid)
  return name === undefined ? `uid ${uid}` : `user ${name}`
}

const untrustedFile = (path: string, fault: string): StrataError =>
  new StrataError('BLOB_CORRUPT', {
    message: `${path} ${fault}`,
    facts: { file: path },
    hint: 'compose fsck'
  })
