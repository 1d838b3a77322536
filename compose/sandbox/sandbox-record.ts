/**
 * The record of a sandbox (spec/sandbox.md#record): for every path the stored metadata, and the metadata that was
 * applied. They differ where the user may not chown, or where the stored mode would shut the user out.
 */
import { createHash } from 'node:crypto'
import { type Columns, decodeColumns, encodeColumns } from '../../store/object/index.ts'

/** Set for paths that only a generated layer brings. Every build makes them again, so they are not stored metadata. */
export const FLAG_GENERATED = 1
/** Set for stored paths that were not written, such as devices that only root may make. */
export const FLAG_NOT_WRITTEN = 2

/** Strings are numbered from 1; where a string is optional, 0 means none. */
export const RECORD_SCHEMA = {
  /** Kinds as in a layer's index. Inode 0 is the root. */
  kind: 'u8',
  flags: 'u8',
  mode: 'u16',
  uid: 'u32',
  gid: 'u32',
  mtimeSeconds: 'f64',
  mtimeNanoseconds: 'u32',
  /** Bytes of a file, otherwise 0. */
  size: 'f64',
  /** Row of a file's SHA-256, string of a symbolic link's target, or number of a device as in a layer's index. */
  payload: 'u32',
  /** Strings of the attribute set (attribute-set.ts), access ACL and default ACL (in the kernel's form). */
  attributes: 'u32',
  access: 'u32',
  default: 'u32',
  appliedMode: 'u16',
  appliedMtimeSeconds: 'f64',
  appliedMtimeNanoseconds: 'u32',
  appliedAttributes: 'u32',
  appliedAccess: 'u32',
  appliedDefault: 'u32',
  /** Entries of a directory, which are neighbours in byte order of their names. */
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
 * The way in which a sandbox was written. root: everything exactly. user: all that an ordinary user may set on own
 * files. record-only: like user, but without ACLs and attributes. capture: as root for commands that are captured in it;
 * what its files cannot hold stands in a file beside the record (seen-metadata.ts).
 */
export type Applied = 'root' | 'user' | 'record-only' | 'capture'

/** True if applied metadata is the stored one, as far as whoever reads it can see. */
export const isExact = ({ applied }: { applied: Applied }): boolean =>
  applied === 'root' || applied === 'capture'

export interface SandboxRecord extends RecordTables {
  applied: Applied
  /** Digest of the tree that was written. */
  treeDigest: Buffer
}

const MAGIC = 'STRATASB'
const VERSION = 1
const HEADER_BYTES = 48
const HASH_BYTES = 32
const APPLIED: readonly Applied[] = ['root', 'user', 'record-only', 'capture']

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
 * @throws RangeError naming the faulty part; the caller adds the file
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
  if (applied === undefined) throw new RangeError(`byte 10 is ${bytes[10]}, wanted 0 to 3`)
  const tables = decodeColumns(RECORD_SCHEMA, body.subarray(HEADER_BYTES))
  return { ...tables, applied, treeDigest: Buffer.from(bytes.subarray(16, 48)) }
}

/** Bytes of a string, as a view; undefined for number 0. */
export const recordString = (
  { stringStart, stringPool }: Pick<RecordTables, 'stringStart' | 'stringPool'>,
  number: number
): Uint8Array | undefined =>
  number === 0 ? undefined : stringPool.subarray(stringStart[number - 1], stringStart[number])

/** Bytes of an entry's name, as a view. */
export const recordName = (
  { names, entryNameStart, entryNameLength }: RecordTables,
  entry: number
): Uint8Array => names.subarray(entryNameStart[entry], entryNameStart[entry] + entryNameLength[entry])
