/**
 * Opening a published file: its bytes are hashed elsewhere, here it is checked to be one that only those could have
 * written who may (spec/store-layout.md#trust). All is asked of the open file, so that no other can take its place.
 */
import { constants, fstatSync } from 'node:fs'
import { type FileHandle, open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { StrataError } from '../errors.ts'
import { BLOBS, STORE_FILE, TMP } from '../store-layout.ts'
import { accessOfPath, EVERYONE, type FoundAccess, showAccess } from './file-access.ts'
import { userName } from './host-groups.ts'
import { isWritableByOthers } from './writable-by-others.ts'

// O_NONBLOCK: opening a pipe would wait for a writer.
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/**
 * @param storeRoot of the store that the file is part of
 * @throws StrataError BLOB_CORRUPT naming the file, where it is no regular file, can be written to by others, has
 *   names that cannot be explained, or belongs to somebody who does not publish here
 * @throws StrataError ACCESS_DENIED where it is there for groups that the user is not in
 */
export async function openStoreFile(storeRoot: string, path: string): Promise<FileHandle> {
  const file = await open(path, FLAGS).catch(error => {
    throw openFailure(path, error)
  })
  try {
    await checkFile(storeRoot, path, file)
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}

/** As `openStoreFile`; undefined where nothing of this name is. */
export function openStoreFileIfThere(storeRoot: string, path: string): Promise<FileHandle | undefined> {
  return openStoreFile(storeRoot, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw error
  })
}

async function checkFile(storeRoot: string, path: string, file: FileHandle): Promise<void> {
  const status = fstatSync(file.fd)
  if (!status.isFile()) throw distrust(path, 'is not a regular file')
  if (isWritableByOthers(status.mode))
    throw distrust(
      path,
      `can be written to by others: its mode is ${(status.mode & 0o7777).toString(8)}, wanted 0444`
    )
  if (status.nlink > 1) await checkNames(storeRoot, path, file)
  const { owner, isShared } = await publishersOf(storeRoot)
  if (isShared || [0, owner, process.geteuid!()].includes(status.uid)) return
  throw distrust(
    path,
    `belongs to ${showUser(status.uid)}, wanted ${[...new Set([owner, 0])].map(showUser).join(' or ')}`
  )
}

/**
 * A publisher at work, or killed at it, has the file under a second name in tmp/. Who may not look there takes one
 * more name for that: a name gives nobody a right to write.
 */
async function checkNames(storeRoot: string, path: string, file: FileHandle): Promise<void> {
  const inTmp = await namesInTmp(storeRoot, await file.stat())
  const { nlink } = await file.stat() // again: what was not in tmp/ any more is no name of the file any more
  if (nlink <= 1 + inTmp) return
  throw distrust(path, `has ${nlink} names: somebody may have linked it from elsewhere`)
}

async function namesInTmp(storeRoot: string, { ino, dev }: { ino: number; dev: number }): Promise<number> {
  const folder = join(storeRoot, TMP)
  try {
    let count = 0
    for (const name of await readdir(folder)) {
      const status = await stat(join(folder, name)).catch(() => undefined)
      if (status?.ino === ino && status.dev === dev) count++
    }
    return count
  } catch {
    return 1
  }
}

/** Whose files a store consists of. */
export interface Publishers {
  owner: number
  /** Others than the owner may add files: they come and go, and their files stay. */
  isShared: boolean
}

const known = new Map<string, Promise<Publishers>>()

export function publishersOf(storeRoot: string): Promise<Publishers> {
  const there = known.get(storeRoot) ?? readPublishers(storeRoot)
  known.set(storeRoot, there)
  return there
}

async function readPublishers(storeRoot: string): Promise<Publishers> {
  const { uid } = await stat(join(storeRoot, STORE_FILE))
  const { mode } = await stat(join(storeRoot, BLOBS))
  return { owner: uid, isShared: isWritableByOthers(mode) }
}

function openFailure(path: string, error: NodeJS.ErrnoException): unknown {
  if (error.code === 'ELOOP') return distrust(path, 'is a symbolic link')
  if (error.code === 'ENXIO') return distrust(path, 'is not a regular file')
  if (error.code !== 'EACCES') return error
  const found = accessIfSeen(path)
  if (found === undefined || found.access === EVERYONE) return error
  return new StrataError('ACCESS_DENIED', {
    message: `${path} is for ${showAccess(found.access)}; you are ${showMe()}`,
    facts: { file: path, owner: showUser(found.status.uid) },
    hint: 'ask to be taken into the group; it counts from the next login on',
    cause: error
  })
}

function accessIfSeen(path: string): FoundAccess | undefined {
  try {
    return accessOfPath(path)
  } catch {
    return undefined // a folder on the way is closed: that is no matter of groups
  }
}

const showMe = (): string => showUser(process.geteuid!())

export function showUser(uid: number): string {
  const name = userName(uid)
  return name === undefined ? `uid ${uid}` : `user ${name}`
}

const distrust = (path: string, fault: string): StrataError =>
  new StrataError('BLOB_CORRUPT', {
    message: `${path} ${fault}`,
    facts: { file: path },
    hint: 'compose fsck'
  })
