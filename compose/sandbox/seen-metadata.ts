/**
 * `.compose/sandbox/metadata` of a sandbox in which commands are captured (spec/sandbox.md#metadata): what a command sees
 * of a path where the user or the file system cannot hold it. The launcher reads and writes it (native/capture/).
 */
import { constants, type FileStatus } from '../../native/index.ts'
import { ACCESS_ATTRIBUTE, type Attributes, DEFAULT_ATTRIBUTE } from '../../store/acl/index.ts'
import { Kind } from '../../store/object/index.ts'
import { type PathBytes, pathFromBuffer } from '../../store/values/index.ts'
import { type MergedTree, walk } from '../merge/index.ts'
import { decodeAttributeSet } from './attribute-set.ts'
import { deviceMajor, deviceMinor } from './device-numbers.ts'
import type { StoredTruth } from './stored-truth.ts'

export interface SeenMetadata {
  /** With the type. */
  mode: number
  uid: number
  gid: number
  rdevMajor: number
  rdevMinor: number
  /** Those that the file system has not. */
  attributes: Attributes
}

const START = 'strata-metadata-1'
const END = '/end'

const { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK } = constants

const TYPE_OF_KIND: Record<number, number> = {
  [Kind.file]: S_IFREG,
  [Kind.directory]: S_IFDIR,
  [Kind.symlink]: S_IFLNK,
  [Kind.block]: S_IFBLK,
  [Kind.character]: S_IFCHR,
  [Kind.fifo]: S_IFIFO,
  [Kind.socket]: S_IFSOCK
}

/** The mode on disk: its user can read everything, and no file has a set-id bit (native/capture/physical.c). */
export const modeOnDisk = (kind: number, mode: number): number =>
  kind === Kind.directory ? (mode & 0o7777) | 0o700 : (mode & 0o1777) | 0o600

/** The same for a mode with its type. */
export const diskMode = (mode: number): number =>
  modeOnDisk((mode & constants.S_IFMT) === S_IFDIR ? Kind.directory : Kind.file, mode & 0o7777)

/** The top shuts out other users, so that no mode below it opens anything to them. */
export const TOP_MODE_ON_DISK = 0o700

/** True for an attribute that the user sets in the tree itself. */
export const isOnDisk = (attribute: string, kind: number): boolean =>
  attribute.startsWith('user.') && (kind === Kind.file || kind === Kind.directory)

/** The file for a tree that was just written. */
export function encodeSeenTree(tree: MergedTree, truth: StoredTruth): Buffer {
  const fields: Buffer[] = [Buffer.from(`${START}\0`)]
  const add = (text: string) => fields.push(Buffer.from(`${text}\0`, 'latin1'))
  for (const { path, inode } of [{ path: '', inode: 0 }, ...walk(tree)]) {
    if (inode === 0 && path !== '') continue
    const attributes = attributesBeside(truth, inode)
    if (path !== '' && isOnDiskAsSeen(truth, inode, attributes)) continue
    const { kind, mode, uid, gid, payload } = truth.tables
    const isDevice = kind[inode] === Kind.block || kind[inode] === Kind.character
    const numbers = isDevice ? [deviceMajor(payload[inode]), deviceMinor(payload[inode])] : [0, 0]
    add(path)
    add(
      [
        (TYPE_OF_KIND[kind[inode]] | mode[inode]).toString(8),
        ...[uid[inode], gid[inode], ...numbers, attributes.size]
      ].join(' ')
    )
    for (const [name, value] of attributes) {
      add(name)
      add(Buffer.from(value).toString('hex'))
    }
  }
  add(END)
  return Buffer.concat(fields)
}

/** The file for paths that are known by name. */
export function encodeSeen(all: ReadonlyMap<PathBytes, SeenMetadata>): Buffer {
  const fields = [...all].flatMap(([path, { mode, uid, gid, rdevMajor, rdevMinor, attributes }]) => [
    path,
    [mode.toString(8), uid, gid, rdevMajor, rdevMinor, attributes.size].join(' '),
    ...[...attributes].flatMap(([name, value]) => [name, Buffer.from(value).toString('hex')])
  ])
  return Buffer.from([START, ...fields, END].map(field => `${field}\0`).join(''), 'latin1')
}

function isOnDiskAsSeen({ tables }: StoredTruth, inode: number, attributes: Attributes): boolean {
  const { kind, mode, uid, gid } = tables
  const isMode = kind[inode] === Kind.symlink || modeOnDisk(kind[inode], mode[inode]) === mode[inode]
  const isDevice = kind[inode] === Kind.block || kind[inode] === Kind.character
  return isMode && !isDevice && uid[inode] === 0 && gid[inode] === 0 && attributes.size === 0
}

function attributesBeside({ tables, strings }: StoredTruth, inode: number): Attributes {
  const { kind, attributes, access, default: defaults } = tables
  if (attributes[inode] === 0 && access[inode] === 0 && defaults[inode] === 0) return NOTHING
  const found: Attributes = new Map(
    [...decodeAttributeSet(strings.at(attributes[inode]))].filter(([name]) => !isOnDisk(name, kind[inode]))
  )
  const [accessAcl, defaultAcl] = [strings.at(access[inode]), strings.at(defaults[inode])]
  if (accessAcl !== undefined) found.set(ACCESS_ATTRIBUTE, accessAcl)
  if (defaultAcl !== undefined) found.set(DEFAULT_ATTRIBUTE, defaultAcl)
  return found
}

const NOTHING: Attributes = new Map()

/** @throws RangeError if it has another form, or is cut off */
export function decodeSeenTree(bytes: Buffer): Map<PathBytes, SeenMetadata> {
  const found = new Map<PathBytes, SeenMetadata>()
  let at = 0
  const next = (): Buffer => {
    const end = bytes.indexOf(0, at)
    if (end < 0) throw new RangeError('it is cut off')
    const field = bytes.subarray(at, end)
    at = end + 1
    return field
  }
  if (next().toString('latin1') !== START) throw new RangeError('it does not start as metadata of a sandbox')
  for (let path = pathFromBuffer(next()); path !== END; path = pathFromBuffer(next()))
    found.set(path, decodeOne(next))
  return found
}

function decodeOne(next: () => Buffer): SeenMetadata {
  const text = next().toString('latin1')
  const [, octal, ...numbers] = /^([0-7]+) (\d+) (\d+) (\d+) (\d+) (\d+)$/.exec(text) ?? []
  if (octal === undefined) throw new RangeError(`"${text}" are not the numbers of a path`)
  const [uid, gid, rdevMajor, rdevMinor, count] = numbers.map(Number)
  const attributes: Attributes = new Map()
  for (let i = 0; i < count; i++) {
    const name = next().toString('latin1')
    attributes.set(name, Buffer.from(next().toString('latin1'), 'hex'))
  }
  return { mode: Number.parseInt(octal, 8), uid, gid, rdevMajor, rdevMinor, attributes }
}

/** A status as a command in the tree would get it: files belong to root unless it is known better. */
export const seenStatus = (status: FileStatus, seen: SeenMetadata | undefined): FileStatus =>
  seen === undefined
    ? { ...status, uid: 0, gid: 0 }
    : {
        ...status,
        ...{ mode: seen.mode, uid: seen.uid, gid: seen.gid },
        ...{ rdevMajor: seen.rdevMajor, rdevMinor: seen.rdevMinor }
      }

/** In byte order of the names. */
export function seenAttributes(onDisk: Attributes, seen: SeenMetadata | undefined): Attributes {
  const own = [...onDisk].filter(([name]) => name.startsWith('user.'))
  const all = [...own, ...(seen?.attributes ?? [])]
  return new Map(all.sort(([a], [b]) => (a < b ? -1 : 1)))
}
