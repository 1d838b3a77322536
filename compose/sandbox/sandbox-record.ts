/**
 * What a sandbox remembers (spec/sandbox.md#record): of every path the stored truth, and beside it what was really
 * applied. The two differ where the user may not chown, or where the stored mode would shut the user out.
 */
import { createHash } from 'node:crypto'
import { type Columns, decodeColumns, encodeColumns } from '../../store/object/index.ts'

/** Brought by a generated layer alone: made anew by every build, so no part of the truth. */
export const FLAG_GENERATED = 1
/** Stored, but not written: a device that only root may make. */
export const FLAG_NOT_WRITTEN = 2

/** Strings are numbered from 1 where 0 says that there is none. */
export const RECORD_SCHEMA = {
  /** As in a layer's index. Inode 0 is the root. */
  kind: 'u8',
  flags: 'u8',
  mode: 'u16',
  uid: 'u32',
  gid: 'u32',
  mtimeSeconds: 'f64',
  mtimeNanoseconds: 'u32',
  /** File: bytes. Else 0. */
  size: 'f64',
  /** File: row of its SHA-256. Symbolic link: string of its target. Device: number, as in a layer's index. */
  payload: 'u32',
  /** Attribute set (attribute-set.ts), access ACL and default ACL (as the kernel has them): strings. */
  attributes: 'u32',
  access: 'u32',
  default: 'u32',
  appliedMode: 'u16',
  appliedMtimeSeconds: 'f64',
  appliedMtimeNanoseconds: 'u32',
  appliedAttributes: 'u32',
  appliedAccess: 'u32',
  appliedDefault: 'u32',
  /** Directories: their entries, which stand together in byte order of their names. */
  directoryFirst: 'u32',
  directoryCount: 'u32',
  entryNameStart: 'u32',
  entryNameLength: 'u8',
  entryInode: 'u32',
  names: 'u8',
  stringStart: 'u32',
  stringPool: 'u8',
  contentHash: 'u8'
} as const

export type RecordTables = Columns<typeof RECORD_SCHEMA>

/**
 * How a sandbox was written. root: everything exactly. user: what an ordinary user may set on own files.
 * record-only: as user, and neither ACLs nor attributes.
 */
export type Applied = 'root' | 'user' | 'record-only'

export interface SandboxRecord extends RecordTables {
  applied: Applied
  /** Of the tree that was written. */
  treeDigest: Buffer
}

const MAGIC = 'STRATASB'
const VERSION = 1
const HEADER_BYTES = 48
const HASH_BYTES = 32
const APPLIED: readonly Applied[] = ['root', 'user', 'record-only']

export function encodeRecord(record: SandboxRecord): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header.write(MAGIC, 'latin1')
  header.writeUInt16LE(VERSION, 8)
  header.writeUInt8(APPLIED.indexOf(record.applied), 10)
  record.treeDigest.copy(header, 16)
  const body = Buffer.concat([header, encodeColumns(RECORD_SCHEMA, record)])
  return Buffer.concat([body, createHash('sha256').update(body).digest()])
}

/**
 * @param bytes a whole record, starting at a multiple of 8 in its ArrayBuffer
 * @throws RangeError saying which part is wrong; the caller names the file
 */
export function decodeRecord(bytes: Buffer): SandboxRecord {
  if (bytes.length < HEADER_BYTES + HASH_BYTES || bytes.toString('latin1', 0, 8) !== MAGIC)
    throw new RangeError('it does not start as a record of a sandbox')
  const body = bytes.subarray(0, bytes.length - HASH_BYTES)
  const found = createHash('sha256').update(body).digest()
  if (!found.equals(bytes.subarray(body.length)))
    throw new RangeError('its bytes do not match the hash at its end')
  const version = bytes.readUInt16LE(8)
  if (version !== VERSION) throw new RangeError(`version ${version} is not ${VERSION}`)
  const applied = APPLIED[bytes[10]]
  if (applied === undefined) throw new RangeError(`byte 10 is ${bytes[10]}, wanted 0 to 2`)
  const tables = decodeColumns(RECORD_SCHEMA, body.subarray(HEADER_BYTES))
  return { ...tables, applied, treeDigest: Buffer.from(bytes.subarray(16, 48)) }
}

/** Bytes of a string, undefined for number 0: a view. */
export const recordString = (
  { stringStart, stringPool }: Pick<RecordTables, 'stringStart' | 'stringPool'>,
  number: number
): Uint8Array | undefined =>
  number === 0 ? undefined : stringPool.subarray(stringStart[number - 1], stringStart[number])

/** Bytes of an entry's name: a view. */
export const recordName = (
  { names, entryNameStart, entryNameLength }: RecordTables,
  entry: number
): Uint8Array => names.subarray(entryNameStart[entry], entryNameStart[entry] + entryNameLength[entry])
