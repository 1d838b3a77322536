import { type PathBytes, showPath } from '../path-bytes.ts'
import type { Timestamp } from './entry.ts'
import { checkId, decimal, decimalTime } from './number.ts'
import type { PaxRecord } from './pax.ts'
import { type TarPlace, tarInvalid } from './refuse.ts'

/** What the PAX records of one member say, global ones first and then its own (spec/tar.md#pax-keys). */
export interface PaxFields {
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
  /** star's name for the logical size of a sparse file. */
  realSizeBytes?: number
  /** `SCHILY.xattr.*`: names as found, values copied out. */
  attributes?: Map<PathBytes, Uint8Array>
  /** `LIBARCHIVE.xattr.*`, decoded. */
  encodedAttributes?: Map<PathBytes, Uint8Array>
  /** `RHT.security.*`, as `security.*`. */
  labels?: Map<PathBytes, Uint8Array>
  aclAccess?: string
  aclDefault?: string
  sparse?: SparseFields
}

/** `GNU.sparse.*` records; which of them are there tells the version (spec/tar.md#sparse). */
export interface SparseFields {
  major?: number
  minor?: number
  name?: PathBytes
  sizeBytes?: number
  realSizeBytes?: number
  runCount?: number
  /** Version 0.0: offsets and lengths in turn, one record each. */
  numbers?: number[]
  /** Version 0.1: all of them in one record. */
  map?: number[]
}

/** Where keys go that are read over, so that the importer can report what was not kept. */
export type IgnoredKeys = Map<PathBytes, number>

const SCHILY_XATTR = 'SCHILY.xattr.'
const LIBARCHIVE_XATTR = 'LIBARCHIVE.xattr.'
const RHT_SECURITY = 'RHT.security.'
const GNU_SPARSE = 'GNU.sparse.'

/** Keys that say nothing a layer keeps: other times, comments, the inode the file once had. Not worth a report. */
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

/** At most this many different unknown keys are remembered: an archive cannot make the report grow. */
const IGNORED_KEYS = 100

/** A global record of one of these would give every member the same name or the same content. */
const NEVER_GLOBAL = (key: PathBytes): boolean =>
  key === 'path' ||
  key === 'linkpath' ||
  key === 'size' ||
  key === 'SCHILY.realsize' ||
  key.startsWith(GNU_SPARSE)

/** Whether a record changes anything, and so is worth keeping for the members to come. */
export const isKeptGlobal = ({ key }: PaxRecord, place: TarPlace): boolean => {
  if (NEVER_GLOBAL(key))
    throw tarInvalid(place, `global PAX header holds ${key}, which belongs to a single member`)
  return !MEANINGLESS.has(key)
}

/**
 * Lay records over what earlier ones said. An empty value takes an earlier record back, so that the header
 * field holds again; only an attribute's value may truly be empty.
 * @throws StrataError TAR_INVALID for a value that cannot be decoded, or that no layer can represent
 */
export function applyRecords(
  fields: PaxFields,
  records: Iterable<PaxRecord>,
  ignored: IgnoredKeys,
  place: TarPlace
): void {
  for (const record of records) applyRecord(fields, record, ignored, place)
}

function applyRecord(
  fields: PaxFields,
  { key, value }: PaxRecord,
  ignored: IgnoredKeys,
  place: TarPlace
): void {
  const isEmpty = value.length === 0
  const text = () => (isEmpty ? undefined : withoutNul(value.toString('latin1'), key, place))
  const number = () => (isEmpty ? undefined : decimal(value, 0, value.length, `PAX ${key}`, place))
  const id = () =>
    isEmpty ? undefined : checkId(decimal(value, 0, value.length, `PAX ${key}`, place), key, place)
  switch (key) {
    case 'path':
      fields.path = text()
      return
    case 'linkpath':
      fields.linkPath = text()
      return
    case 'size':
      fields.sizeBytes = number()
      return
    case 'uid':
      fields.uid = id()
      return
    case 'gid':
      fields.gid = id()
      return
    case 'uname':
      fields.uname = text()
      return
    case 'gname':
      fields.gname = text()
      return
    case 'mtime':
      fields.mtime = isEmpty ? undefined : decimalTime(value.toString('latin1'), 'PAX mtime', place)
      return
    case 'SCHILY.devmajor':
      fields.deviceMajor = number()
      return
    case 'SCHILY.devminor':
      fields.deviceMinor = number()
      return
    case 'SCHILY.realsize':
      fields.realSizeBytes = number()
      return
    case 'SCHILY.acl.access':
      fields.aclAccess = text()
      return
    case 'SCHILY.acl.default':
      fields.aclDefault = text()
      return
    case 'hdrcharset':
      checkCharset(value.toString('latin1'), place)
      return
    default:
      applyPrefixed(fields, key, value, ignored, place)
  }
}

function applyPrefixed(
  fields: PaxFields,
  key: PathBytes,
  value: Buffer,
  ignored: IgnoredKeys,
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
  } else if (!MEANINGLESS.has(key) && (ignored.has(key) || ignored.size < IGNORED_KEYS)) {
    ignored.set(key, (ignored.get(key) ?? 0) + 1)
  }
}

function applySparse(sparse: SparseFields, key: PathBytes, value: Buffer, place: TarPlace): void {
  const number = () => decimal(value, 0, value.length, `PAX ${key}`, place)
  switch (key) {
    case 'GNU.sparse.major':
      sparse.major = number()
      return
    case 'GNU.sparse.minor':
      sparse.minor = number()
      return
    case 'GNU.sparse.name':
      sparse.name = withoutNul(value.toString('latin1'), key, place)
      return
    case 'GNU.sparse.size':
      sparse.sizeBytes = number()
      return
    case 'GNU.sparse.realsize':
      sparse.realSizeBytes = number()
      return
    case 'GNU.sparse.numblocks':
      sparse.runCount = number()
      return
    case 'GNU.sparse.offset':
    case 'GNU.sparse.numbytes': {
      sparse.numbers ??= []
      const wanted = sparse.numbers.length % 2 === 0 ? 'GNU.sparse.offset' : 'GNU.sparse.numbytes'
      if (key !== wanted) throw tarInvalid(place, `${key} where ${wanted} was due`)
      sparse.numbers.push(number())
      return
    }
    case 'GNU.sparse.map':
      sparse.map = numberList(value, key, place)
      return
    default:
      throw tarInvalid(place, `${showPath(key)}: unknown sparse format`)
  }
}

function numberList(value: Buffer, key: string, place: TarPlace): number[] {
  const numbers: number[] = []
  if (value.length === 0) return numbers
  let from = 0
  for (;;) {
    const comma = value.indexOf(0x2c, from)
    const to = comma < 0 ? value.length : comma
    numbers.push(decimal(value, from, to, `PAX ${key}`, place))
    if (comma < 0) return numbers
    from = comma + 1
  }
}

function withoutNul(text: PathBytes, key: PathBytes, place: TarPlace): PathBytes {
  if (text.includes('\0')) throw tarInvalid(place, `PAX ${key} holds a NUL byte`)
  return text
}

function checkCharset(value: string, place: TarPlace): void {
  if (value === '' || value === 'BINARY' || value === 'ISO-IR 10646 2000 UTF-8') return
  throw tarInvalid(place, `PAX hdrcharset is "${showPath(value)}", wanted BINARY or ISO-IR 10646 2000 UTF-8`)
}

/** XATTR_NAME_MAX of Linux. */
const ATTRIBUTE_NAME_BYTES = 255

function attributeName(name: PathBytes, key: PathBytes, place: TarPlace): PathBytes {
  const dot = name.indexOf('.')
  if (dot <= 0 || dot === name.length - 1 || name.includes('\0') || name.length > ATTRIBUTE_NAME_BYTES) {
    throw tarInvalid(
      place,
      `${showPath(key)}: wanted an attribute name such as user.x, at most ${ATTRIBUTE_NAME_BYTES} bytes`
    )
  }
  return name
}

function unescapeUrl(name: PathBytes, key: PathBytes, place: TarPlace): PathBytes {
  if (/%(?![0-9A-Fa-f]{2})/.test(name))
    throw tarInvalid(place, `${showPath(key)}: "%" without two hexadecimal digits`)
  return name.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

/** libarchive writes base64 without padding; with padding is fine too. */
function decodeBase64(value: Buffer, key: PathBytes, place: TarPlace): Uint8Array {
  const text = value.toString('latin1').replace(/={1,2}$/, '')
  if (!/^[A-Za-z0-9+/]*$/.test(text) || text.length % 4 === 1) {
    throw tarInvalid(place, `${showPath(key)}: value is not base64`)
  }
  return new Uint8Array(Buffer.from(text, 'base64'))
}

/**
 * One map of attributes out of the three ways to write them, names decoded.
 * libarchive writes every attribute both its own and SCHILY's way; where the two differ, one of them is
 * damaged and nobody can tell which.
 * @throws StrataError TAR_INVALID if they differ
 */
export function joinAttributes(fields: PaxFields, place: TarPlace): Map<PathBytes, Uint8Array> {
  const { attributes, encodedAttributes, labels } = fields
  const joined = new Map<PathBytes, Uint8Array>()
  if (encodedAttributes !== undefined) {
    if (attributes !== undefined) checkAgreement(attributes, encodedAttributes, place)
    for (const [name, value] of encodedAttributes) joined.set(name, value)
  } else if (attributes !== undefined) {
    for (const [name, value] of attributes) joined.set(unescapeGnu(name), value)
  }
  if (labels !== undefined) for (const [name, value] of labels) addLabel(joined, name, value, place)
  return joined
}

/** GNU tar writes `=` in a name as %3D and `%` as %25, since a key ends at its first `=`. */
const unescapeGnu = (name: PathBytes): PathBytes =>
  name.includes('%') ? name.replace(/%(25|3D)/g, (_, hex: string) => (hex === '25' ? '%' : '=')) : name

/** libarchive escapes the names of its SCHILY records as well, but not in every version. */
function checkAgreement(
  plain: Map<PathBytes, Uint8Array>,
  encoded: Map<PathBytes, Uint8Array>,
  place: TarPlace
): void {
  const differ = (name: PathBytes) =>
    tarInvalid(
      place,
      `SCHILY.xattr and LIBARCHIVE.xattr records differ on attribute ${showPath(name)}`,
      'pack the files again with GNU tar --xattrs'
    )
  const seen = new Set<PathBytes>()
  for (const [found, value] of plain) {
    const name = encoded.has(found) ? found : unescapeUrl(found, found, place)
    const other = encoded.get(name)
    if (other === undefined || Buffer.compare(value, other) !== 0) throw differ(name)
    seen.add(name)
  }
  for (const name of encoded.keys()) if (!seen.has(name)) throw differ(name)
}

/** A label may be there twice, and GNU tar leaves out the NUL that the kernel keeps at its end. */
function addLabel(
  joined: Map<PathBytes, Uint8Array>,
  name: PathBytes,
  value: Uint8Array,
  place: TarPlace
): void {
  const known = joined.get(name)
  if (known === undefined) {
    joined.set(name, value)
    return
  }
  const trimmed = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1').replace(/\0$/, '')
  if (trimmed(known) !== trimmed(value)) {
    throw tarInvalid(place, `RHT.${name} and SCHILY.xattr.${name} differ`)
  }
}
