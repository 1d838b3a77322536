/**
 * Policies, lists of signers and revocation lists decide what users may run. So one is believed only if nobody but its
 * author can write it. Everything is asked of the open file, so that no other can take its place.
 */
import {
  closeSync,
  constants as fsConstants,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  readlinkSync,
  type Stats,
  statSync
} from 'node:fs'
import { dirname } from 'node:path'
import { constants, fstatAt } from '../../native/index.ts'
import { isWritableByOthers } from '../disk/index.ts'
import { publishersOf, type StorePath, showUser, storeFolder } from '../files/index.ts'
import { pathFromText, StrataError, showPath, systemWords } from '../values/index.ts'

const { O_NONBLOCK, O_RDONLY } = fsConstants

/** Limit on each of these files: some ten thousand keys. */
const LARGEST_BYTES = 8 << 20

/** The parts of a status that are asked for. */
interface Status {
  mode: number
  uid: number
  size: number
}

/** Where a policy comes from, and how files beside it are read. */
export interface PolicyPlace {
  /** The whole path of the policy. */
  file: string
  /** Undefined if there is no policy. @throws StrataError POLICY_INVALID */
  read(): Buffer | undefined
  /** A file that the policy names, and its whole path. @throws StrataError POLICY_INVALID */
  readBeside(path: string): { file: string; bytes: Buffer }
}

/** @param owners the users who may be its author */
export const hostPlace = (file: string, owners: number[]): PolicyPlace => ({
  file,
  read: () => readHostFile(file, owners),
  readBeside: path => readNamed(path.startsWith('/') ? path : `${dirname(file)}/${path}`, owners)
})

/**
 * The policy of the user. A home that the user may not enter is not theirs: `su` and `sudo` leave HOME as it was, and
 * then there is no policy of this user to be read.
 */
export function ownPlace(file: string, owners: number[]): PolicyPlace {
  const place = hostPlace(file, owners)
  return { ...place, read: () => (isShutOut(dirname(file)) ? undefined : place.read()) }
}

function isShutOut(folder: string): boolean {
  try {
    statSync(folder)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EACCES'
  }
}

const TRUST = 'trust'

/** `trust/policy.yaml` of a store: by the owner of the store or root, also where a group publishes. */
export function storePlace(root: string): PolicyPlace {
  const store = storeFolder(root)
  const owners = () => [...new Set([0, publishersOf(root).owner])]
  return {
    file: store.displayPath(`${TRUST}/policy.yaml`),
    read: () => readStoreFile(root, `${TRUST}/policy.yaml`, owners()),
    readBeside(path) {
      if (path.startsWith('/')) return readNamed(path, owners())
      const inside = `${TRUST}/${pathFromText(path)}`
      const file = store.displayPath(inside)
      const bytes = path.split('/').includes('..') ? undefined : readStoreFile(root, inside, owners())
      if (bytes === undefined) throw untrusted(file, 'does not exist, but the policy names it')
      return { file, bytes }
    }
  }
}

function readNamed(file: string, owners: number[]): { file: string; bytes: Buffer } {
  const bytes = readHostFile(file, owners)
  if (bytes === undefined) throw untrusted(file, 'does not exist, but the policy names it')
  return { file, bytes }
}

/**
 * A link is the choice of those who may write to its folder, and what it leads to is that of those who may write there:
 * both folders are checked. A link that leads nowhere, as into a file system that is not mounted, is no missing file.
 */
function readHostFile(file: string, owners: number[]): Buffer | undefined {
  let fd: number
  try {
    fd = openSync(file, O_RDONLY | O_NONBLOCK)
  } catch (error) {
    if (!isMissing(error)) throw unreadable(file, error as NodeJS.ErrnoException)
    refuseBrokenLink(file)
    return undefined
  }
  try {
    for (const folder of foldersOfLinks(file)) checkAuthor(folder, statSync(folder), owners)
    return readOpen(fd, file, fstatSync(fd), owners)
  } finally {
    closeSync(fd)
  }
}

/** The folder of the file, and of each name that links lead to. The kernel follows at most 40, and has opened the file. */
function foldersOfLinks(file: string): string[] {
  const folders = [dirname(file)]
  for (let name = file; statusIfThere(name, lstatSync)?.isSymbolicLink() && folders.length <= 40; ) {
    const target = readlinkSync(name)
    name = target.startsWith('/') ? target : `${dirname(name)}/${target}`
    folders.push(dirname(name))
  }
  return folders
}

/** Looks at the lowest name on the way that is there: at the file, or at a folder above. */
function refuseBrokenLink(file: string): void {
  for (let name = file; name !== dirname(name); name = dirname(name)) {
    const status = statusIfThere(name, lstatSync)
    if (status === undefined) continue
    if (!status.isSymbolicLink() || statusIfThere(name, statSync) !== undefined) return
    const fault = `is a symbolic link to ${showPath(pathFromText(readlinkSync(name)))}, which does not exist`
    throw untrusted(name, fault, undefined, 'mount what the link leads to, or remove the link')
  }
}

function statusIfThere(path: string, look: (path: string) => Stats): Stats | undefined {
  try {
    return look(path)
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

const isMissing = (error: unknown): boolean =>
  ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')

/** A lack of descriptors is no fault of the file, and its own error says what to type. */
function unreadable(file: string, error: NodeJS.ErrnoException): Error {
  if (error.code === 'EMFILE' || error.code === 'ENFILE') return error
  if (error.code === 'ELOOP') return untrusted(file, 'is a symbolic link', error)
  return untrusted(file, `cannot be read: ${systemWords(error)}`, error)
}

/** Links are not followed (spec/store-layout.md#links). */
function readStoreFile(root: string, path: StorePath, owners: number[]): Buffer | undefined {
  const store = storeFolder(root)
  const folder = store.displayPath(TRUST)
  const isThere = store.withInode(TRUST, fd => {
    const status = fstatAt(fd)
    if ((status.mode & constants.S_IFMT) !== constants.S_IFDIR) throw untrusted(folder, 'is not a folder')
    checkAuthor(folder, status, owners)
    return true
  })
  if (!isThere) return undefined
  const file = store.displayPath(path)
  let fd: number
  try {
    fd = store.open(path)
  } catch (error) {
    if (isMissing(error)) return undefined
    if (error instanceof StrataError) throw error
    throw unreadable(file, error as NodeJS.ErrnoException)
  }
  try {
    return readOpen(fd, file, fstatAt(fd), owners)
  } finally {
    closeSync(fd)
  }
}

function readOpen(fd: number, file: string, status: Status, owners: number[]): Buffer {
  if ((status.mode & constants.S_IFMT) !== constants.S_IFREG) throw untrusted(file, 'is not a regular file')
  checkAuthor(file, status, owners)
  if (status.size > LARGEST_BYTES)
    throw untrusted(file, `has ${status.size} bytes, wanted at most ${LARGEST_BYTES}`)
  return readFileSync(fd)
}

function checkAuthor(path: string, { mode, uid }: Status, owners: number[]): void {
  if (!owners.includes(uid))
    throw untrusted(path, `belongs to ${showUser(uid)}, wanted ${owners.map(showUser).join(' or ')}`)
  if (isWritableByOthers(mode))
    throw untrusted(
      path,
      `can be written to by others than its owner: its mode is ${(mode & 0o7777).toString(8).padStart(4, '0')}`,
      undefined,
      `chmod go-w ${showPath(pathFromText(path))}`
    )
}

function untrusted(path: string, fault: string, cause?: unknown, hint?: string): StrataError {
  const shown = showPath(pathFromText(path))
  return new StrataError('POLICY_INVALID', {
    message: `${shown} ${fault}`,
    facts: { file: shown },
    hint: hint ?? `ls -ld ${shown}; only the author of a policy may be able to change it`,
    cause
  })
}

/** A file of the user, by its path; of the host, which root writes; or of a store, in its folder trust/. */
export type TrustedPlace = { ofUser: string } | { ofHost: string } | { root: string; name: string }

/**
 * A file of settings that decides what comes onto this machine.
 * @returns undefined if there is none
 * @throws StrataError POLICY_INVALID if somebody else could write it
 */
export function readTrusted(place: TrustedPlace): { file: string; bytes: Buffer } | undefined {
  const { file, read } = placeOf(place)
  const bytes = read()
  return bytes && { file, bytes }
}

function placeOf(place: TrustedPlace): Pick<PolicyPlace, 'file' | 'read'> {
  if ('ofUser' in place) return ownPlace(place.ofUser, [...new Set([0, process.geteuid!()])])
  if ('ofHost' in place) return hostPlace(place.ofHost, [0])
  const path = `${TRUST}/${place.name}`
  const owners = () => [...new Set([0, publishersOf(place.root).owner])]
  return {
    file: storeFolder(place.root).displayPath(path),
    read: () => readStoreFile(place.root, path, owners())
  }
}
