import { type PathBytes, showPath } from '../values/index.ts'
import { checkId, decimal, decimalTime } from './number.ts'
import type { Oddities } from './oddities.ts'
import { type PaxRecord, withoutNul } from './pax.ts'
import { attributeName, decodeBase64, type PaxAttributes, unescapeUrl } from './pax-attributes.ts'
import { applySparse, type SparseFields } from './pax-sparse.ts'
import { type TarPlace, tarInvalid } from './refuse-tar.ts'
import type { Timestamp } from './tar-entry.ts'

/** The fields of one member's PAX records: the global ones first, and its own over them (spec/tar.md#pax-keys). */
export interface PaxFields extends PaxAttributes {
  path?: PathBytes
  linkPath?: PathBytes
  sizeBytes?: number
  uid?: number
  gid?: number
  uname?: PathBytes
  gname?: PathBytes
  mtime?: Timestamp
  deviceMajor?: number
  deviceMinor?: number
  /** star's key for the logical size of a sparse file. */
  realSizeBytes?: number
  aclAccess?: string
  aclDefault?: string
  sparse?: SparseFields
}

const SCHILY_XATTR = 'SCHILY.xattr.'
const LIBARCHIVE_XATTR = 'LIBARCHIVE.xattr.'
const RHT_SECURITY = 'RHT.security.'
const GNU_SPARSE = 'GNU.sparse.'

/**
 * Keys of facts that layers do not keep: other times, comments, the inode that the file once had. They are not
 * reported.
 */
const MEANINGLESS = new Set([
  'atime',
  'ctime',
  'comment',
  'charset',
  'SCHILY.dev',
  'SCHILY.ino',
  'SCHILY.nlink',
  'SCHILY.filetype',
  'SCHILY.offset',
  'SCHILY.volhdr',
  'SCHILY.archtype',
  'SCHILY.dir',
  'SCHILY.release',
  'SCHILY.tarfiletype',
  'LIBARCHIVE.creationtime',
  'GNU.dumpdir',
  'GNU.volume.label'
])

/** Keys that are refused in a global header, since every member would get the same name or the same content. */
const NEVER_GLOBAL = (key: PathBytes): boolean =>
  key === 'path' ||
  key === 'linkpath' ||
  key === 'size' ||
  key === 'SCHILY.realsize' ||
  key.startsWith(GNU_SPARSE)

/** True if a global record changes anything, so that later members need it. */
export const isKeptGlobal = ({ key }: PaxRecord, place: TarPlace): boolean => {
  if (NEVER_GLOBAL(key))
    throw tarInvalid(place, `global PAX header holds ${key}, which belongs to a single member`)
  return !MEANINGLESS.has(key)
}

/**
 * A copy for a member's own records, so that the shared global ones stay unchanged. No global record is about a sparse
 * file.
 */
export const ownFields = (shared: PaxFields): PaxFields => ({
  ...shared,
  ...(shared.attributes && { attributes: new Map(shared.attributes) }),
  ...(shared.encodedAttributes && { encodedAttributes: new Map(shared.encodedAttributes) }),
  ...(shared.labels && { labels: new Map(shared.labels) })
})

/**
 * Applies records over earlier ones. An empty value takes an earlier record back, so that the header field holds again;
 * only the value of an attribute may really be empty.
 * @throws StrataError TAR_INVALID for a value that cannot be decoded, or that no layer can represent
 */
export function applyRecords(
  fields: PaxFields,
  records: Iterable<PaxRecord>,
  oddities: Oddities | undefined,
  place: TarPlace
): void {
  for (const record of records) applyRecord(fields, record, oddities, place)
}

type Apply = (fields: PaxFields, record: PaxRecord, place: TarPlace) => void
type Decode<T> = (record: PaxRecord, place: TarPlace) => T | undefined

const into =
  <K extends keyof PaxFields>(field: K, decode: Decode<PaxFields[K]>): Apply =>
  (fields, record, place) => {
    fields[field] = decode(record, place)
  }

const decodeText: Decode<string> = ({ key, value }, place) =>
  value.length === 0 ? undefined : withoutNul(value.toString('latin1'), key, place)

const decodeNumber: Decode<number> = ({ key, value }, place) =>
  value.length === 0 ? undefined : decimal(value, 0, value.length, `PAX ${key}`, place)

const decodeId: Decode<number> = (record, place) => {
  const id = decodeNumber(record, place)
  return id === undefined ? undefined : checkId(id, record.key, place)
}

const decodeMtime: Decode<Timestamp> = ({ value }, place) =>
  value.length === 0 ? undefined : decimalTime(value.toString('latin1'), 'PAX mtime', place)

/** Whole keys (spec/tar.md#pax-keys); others are told by how they begin. */
const APPLY: ReadonlyMap<PathBytes, Apply> = new Map([
  ['path', into('path', decodeText)],
  ['linkpath', into('linkPath', decodeText)],
  ['size', into('sizeBytes', decodeNumber)],
  ['uid', into('uid', decodeId)],
  ['gid', into('gid', decodeId)],
  ['uname', into('uname', decodeText)],
  ['gname', into('gname', decodeText)],
  ['mtime', into('mtime', decodeMtime)],
  ['SCHILY.devmajor', into('deviceMajor', decodeNumber)],
  ['SUN.devmajor', into('deviceMajor', decodeNumber)],
  ['SCHILY.devminor', into('deviceMinor', decodeNumber)],
  ['SUN.devminor', into('deviceMinor', decodeNumber)],
  ['SCHILY.realsize', into('realSizeBytes', decodeNumber)],
  ['SCHILY.acl.access', into('aclAccess', decodeText)],
  ['SCHILY.acl.default', into('aclDefault', decodeText)],
  ['hdrcharset', (_fields, { value }, place) => checkCharset(value.toString('latin1'), place)]
])

function applyRecord(
  fields: PaxFields,
  record: PaxRecord,
  oddities: Oddities | undefined,
  place: TarPlace
): void {
  const apply = APPLY.get(record.key)
  if (apply !== undefined) apply(fields, record, place)
  else applyPrefixed(fields, record, oddities, place)
}

function applyPrefixed(
  fields: PaxFields,
  { key, value }: PaxRecord,
  oddities: Oddities | undefined,
  place: TarPlace
): void {
  if (key.startsWith(SCHILY_XATTR)) {
    fields.attributes ??= new Map()
    // Copied: a view would keep the whole header alive.
    fields.attributes.set(attributeName(key.slice(SCHILY_XATTR.length), key, place), new Uint8Array(value))
  } else if (key.startsWith(LIBARCHIVE_XATTR)) {
    fields.encodedAttributes ??= new Map()
    const name = attributeName(unescapeUrl(key.slice(LIBARCHIVE_XATTR.length), key, place), key, place)
    fields.encodedAttributes.set(name, decodeBase64(value, key, place))
  } else if (key.startsWith(RHT_SECURITY)) {
    fields.labels ??= new Map()
    fields.labels.set(attributeName(key.slice('RHT.'.length), key, place), new Uint8Array(value))
  } else if (key.startsWith(GNU_SPARSE)) {
    fields.sparse ??= {}
    applySparse(fields.sparse, key, value, place)
  } else if (key.startsWith('SCHILY.acl.')) {
    if (value.length === 0) return
    throw tarInvalid(
      place,
      `${showPath(key)}: an NFSv4 ACL, which no Linux file system but NFS can store`,
      'convert it to a POSIX ACL on the machine that has the files, and pack them again'
    )
  } else if (key.startsWith('GNU.volume.') && key !== 'GNU.volume.label') {
    throw tarInvalid(
      place,
      `${showPath(key)}: part of a multi-volume archive`,
      'join the volumes with tar -M first'
    )
  } else if (key === 'SUN.holesdata') {
    throw tarInvalid(
      place,
      'SUN.holesdata: a sparse file in the way of Solaris, which is not read',
      'unpack the archive on Solaris, and pack it with GNU tar'
    )
  } else if (!MEANINGLESS.has(key)) oddities?.ignoreKey(key, place)
}

function checkCharset(value: string, place: TarPlace): void {
  if (value === '' || value === 'BINARY' || value === 'ISO-IR 10646 2000 UTF-8') return
  throw tarInvalid(place, `PAX hdrcharset is "${showPath(value)}", wanted BINARY or ISO-IR 10646 2000 UTF-8`)
}
