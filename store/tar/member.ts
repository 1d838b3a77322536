import type { Limits, PathBytes } from '../values/index.ts'
import {
  type HeaderFormat,
  headerDeviceMajor,
  headerDeviceMinor,
  headerGid,
  headerLinkName,
  headerMode,
  headerMtime,
  headerName,
  headerSize,
  headerType,
  headerUid,
  type OwnerNames
} from './header.ts'
import { canonicalPath, symlinkTarget } from './member-path.ts'
import { checkId, checkSize } from './number.ts'
import { joinAttributes } from './pax-attributes.ts'
import type { PaxFields } from './pax-fields.ts'
import { showType, type TarPlace, tarInvalid } from './refuse-tar.ts'
import type { EntryKind, TarEntry } from './tar-entry.ts'

/**
 * One member's metadata from its header block and the records that override it, in this order: PAX records, GNU long
 * names, the header (spec/tar.md#members).
 */

export interface MemberSource {
  block: Buffer
  at: number
  format: HeaderFormat
  fields: PaxFields
  longName: PathBytes | undefined
  longLink: PathBytes | undefined
  /** Offset of the member's first block, extended headers included. */
  firstOffset: number
}

export interface Member {
  entry: TarEntry
  /** Bytes in the archive after the headers: content, or skipped bytes (a dump directory's list of names). */
  storedBytes: number
  /** Size in the header of a member without content. Whether content follows is decided when the next block is known. */
  unusedBytes: number
  /** True if the header is of the old GNU sparse type. */
  isOldSparse: boolean
}

/** dev_t of Linux: 12 bits major, 20 bits minor; SquashFS stores the same. */
const DEVICE_MAJOR_LIMIT = 1 << 12
const DEVICE_MINOR_LIMIT = 1 << 20

const LINK = 0x31
const DIRECTORY = 0x35
const DUMP_DIRECTORY = 0x44
const OLD_SPARSE = 0x53
const SLASH = 0x2f

function kindOf(type: number, format: HeaderFormat, name: PathBytes, place: TarPlace): EntryKind {
  switch (type) {
    case 0:
    case 0x30: // '0'
    case 0x37: // '7', contiguous: file systems that we know treat it as a file
      // v7 had no type for directories, so all readers go by the slash.
      return name.charCodeAt(name.length - 1) === SLASH ? 'directory' : 'file'
    case LINK:
      return 'hardlink'
    case 0x32:
      return 'symlink'
    case 0x33:
      return 'character'
    case 0x34:
      return 'block'
    case DIRECTORY:
      return 'directory'
    case 0x36:
      return 'fifo'
  }
  if (format === 'gnu' && type === OLD_SPARSE) return 'file'
  if (format === 'gnu' && type === DUMP_DIRECTORY) return 'directory'
  throw tarInvalid(place, `type ${showType(type)} is unknown, its content would be lost`)
}

/**
 * The name from extended headers. If both kinds are there, they must agree, or one is damaged. The header's own name is
 * cut off, so it is not compared.
 */
function extendedName(
  paxName: PathBytes | undefined,
  longName: PathBytes | undefined,
  what: string,
  place: TarPlace
): PathBytes | undefined {
  if (paxName !== undefined && longName !== undefined && paxName !== longName) {
    throw tarInvalid(place, `PAX record and GNU long name give it two different ${what}s`)
  }
  return paxName ?? longName
}

export function decodeMember(
  source: MemberSource,
  owners: OwnerNames,
  limits: Limits,
  place: TarPlace
): Member {
  const { block, at, format, fields } = source
  const name = memberName(source, place)
  place.member = name
  const type = headerType(block, at)
  const kind = kindOf(type, format, name, place)
  const path = canonicalPath(name, 'path', limits, place)
  place.member = path
  if (path === '' && kind !== 'directory')
    throw tarInvalid(place, `the root is a ${kind}, wanted a directory`)
  const saidBytes = sizeSaid(source, place)
  const storedBytes = kind === 'file' || type === DUMP_DIRECTORY ? saidBytes : 0
  const hasDevice = kind === 'character' || kind === 'block'
  if (format !== 'v7') owners.read(block, at)
  const entry: TarEntry = {
    path,
    kind,
    // Higher bits are the file type in v7 archives, for which the type field is better.
    mode: headerMode(block, at, place) & 0o7777,
    uid: fields.uid ?? checkId(headerUid(block, at, place), 'uid', place),
    gid: fields.gid ?? checkId(headerGid(block, at, place), 'gid', place),
    uname: fields.uname ?? (format === 'v7' ? '' : owners.uname),
    gname: fields.gname ?? (format === 'v7' ? '' : owners.gname),
    mtime: fields.mtime ?? { seconds: headerMtime(block, at, place), nanoseconds: 0 },
    sizeBytes: kind === 'file' ? storedBytes : 0,
    linkTarget: kind === 'symlink' || kind === 'hardlink' ? linkTarget(source, kind, limits, place) : '',
    deviceMajor: hasDevice ? deviceMajor(source, place) : 0,
    deviceMinor: hasDevice ? deviceMinor(source, place) : 0,
    attributes: joinAttributes(fields, place),
    aclText: aclText(fields),
    headerOffset: source.firstOffset
  }
  return { entry, storedBytes, unusedBytes: saidBytes - storedBytes, isOldSparse: type === OLD_SPARSE }
}

function memberName({ block, at, format, fields, longName }: MemberSource, place: TarPlace): PathBytes {
  const named =
    fields.path === undefined && longName === undefined
      ? undefined
      : extendedName(fields.path, longName, 'path', place)
  return fields.sparse?.name ?? named ?? headerName(block, at, format)
}

function sizeSaid({ block, at, fields }: MemberSource, place: TarPlace): number {
  const saidBytes = fields.sizeBytes ?? checkSize(headerSize(block, at, place), 'size', place)
  if (fields.realSizeBytes === undefined || fields.realSizeBytes === saidBytes) return saidBytes
  throw tarInvalid(
    place,
    'SCHILY.realsize is not the size: a sparse file in the way of star, which is not read'
  )
}

function linkTarget(source: MemberSource, kind: EntryKind, limits: Limits, place: TarPlace): PathBytes {
  const { block, at, fields, longLink } = source
  const target = extendedName(fields.linkPath, longLink, 'link target', place) ?? headerLinkName(block, at)
  if (kind === 'symlink') return symlinkTarget(target, place)
  const path = canonicalPath(target, 'hard link target', limits, place)
  if (path === '') throw tarInvalid(place, 'hard link to the root')
  return path
}

function deviceMajor({ block, at, format, fields }: MemberSource, place: TarPlace): number {
  const major = fields.deviceMajor ?? (format === 'v7' ? undefined : headerDeviceMajor(block, at, place))
  return checkDevice(major, 'major', DEVICE_MAJOR_LIMIT, place)
}

function deviceMinor({ block, at, format, fields }: MemberSource, place: TarPlace): number {
  const minor = fields.deviceMinor ?? (format === 'v7' ? undefined : headerDeviceMinor(block, at, place))
  return checkDevice(minor, 'minor', DEVICE_MINOR_LIMIT, place)
}

function checkDevice(number: number | undefined, which: string, limit: number, place: TarPlace): number {
  if (number === undefined)
    throw tarInvalid(place, 'device in a v7 archive, which has no field for its numbers')
  if (number < 0 || number >= limit) {
    throw tarInvalid(place, `device ${which} is ${number}, wanted 0..${limit - 1}`)
  }
  return number
}

function aclText({ aclAccess, aclDefault }: PaxFields): TarEntry['aclText'] {
  const text: TarEntry['aclText'] = {}
  if (aclAccess !== undefined) text.access = aclAccess
  if (aclDefault !== undefined) text.default = aclDefault
  return text
}
