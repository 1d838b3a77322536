import { type PathBytes, showPath } from '../values/index.ts'
import { headerNumber } from './number.ts'
import { type TarPlace, tarInvalid } from './refuse-tar.ts'
import { BLOCK_BYTES } from './ustar.ts'

/**
 * The 512-byte header block (spec/tar.md#header). Fields are read one by one and only when needed, because a PAX record
 * may replace a field whose value in the header means nothing.
 */

/** The format by its magic, which decides which of the later fields exist. */
export type HeaderFormat = 'v7' | 'ustar' | 'gnu'

// Offsets and widths in bytes, POSIX.1-2017 pax, "ustar Interchange Format".
const NAME = 0
const NAME_WIDTH = 100
const MODE = 100
const UID = 108
const GID = 116
const SIZE = 124
const MTIME = 136
const CHECKSUM = 148
const CHECKSUM_WIDTH = 8
const SPACE = 0x20
const TYPE = 156
const LINK_NAME = 157
const MAGIC = 257
const UNAME = 265
const GNAME = 297
const OWNER_WIDTH = 32
const DEVICE_MAJOR = 329
const DEVICE_MINOR = 337
const PREFIX = 345
const PREFIX_WIDTH = 155
const ID_WIDTH = 8
const SIZE_WIDTH = 12

/**
 * Sum of all bytes, the checksum's own counted as spaces. It takes four bytes a turn, because this is most of a small
 * member's cost.
 */
function unsignedSum(block: Uint8Array, at: number): number {
  let sum = 0
  for (let index = at; index < at + BLOCK_BYTES; index += 4) {
    sum += block[index] + block[index + 1] + block[index + 2] + block[index + 3]
  }
  for (let index = at + CHECKSUM; index < at + CHECKSUM + CHECKSUM_WIDTH; index++) sum += SPACE - block[index]
  return sum
}

function signedSum(block: Uint8Array, at: number): number {
  let sum = unsignedSum(block, at)
  for (let index = at; index < at + BLOCK_BYTES; index++) {
    const isInChecksum = index >= at + CHECKSUM && index < at + CHECKSUM + CHECKSUM_WIDTH
    if (block[index] > 127 && !isInChecksum) sum -= 256
  }
  return sum
}

/** Half of the end-of-archive marker. */
export function isZeroBlock(block: Uint8Array, at: number): boolean {
  for (let index = at; index < at + BLOCK_BYTES; index++) if (block[index] !== 0) return false
  return true
}

/** @throws StrataError TAR_INVALID unless the stored checksum matches the block */
export function checkChecksum(block: Buffer, at: number, place: TarPlace): void {
  if (isChecksumRight(block, at, place)) return
  const found = showPath(block.toString('latin1', at + CHECKSUM, at + CHECKSUM + CHECKSUM_WIDTH))
  throw tarInvalid(
    place,
    `header checksum is "${found}", the block sums to ${unsignedSum(block, at).toString(8)} in octal`,
    place.offset === 0
      ? 'this is not a tar archive, or it is compressed in a way that is not read'
      : "the archive is damaged here: fetch it again and compare its hash with the publisher's"
  )
}

function isChecksumRight(block: Buffer, at: number, place: TarPlace): boolean {
  let stored: number
  try {
    stored = headerNumber(block, at + CHECKSUM, CHECKSUM_WIDTH, 'checksum', place)
  } catch {
    return false
  }
  // Sun's and other old tars summed signed chars; the sums differ only if a byte is above 127.
  return stored === unsignedSum(block, at) || stored === signedSum(block, at)
}

/** True if 512 bytes are a header block. Recognises a plain archive by its content. */
export const looksLikeHeader = (block: Buffer, at = 0): boolean =>
  block.length >= at + BLOCK_BYTES && isChecksumRight(block, at, { source: '', member: undefined, offset: 0 })

export function headerFormat(block: Uint8Array, at: number): HeaderFormat {
  const magic = at + MAGIC
  const isUstar =
    block[magic] === 0x75 &&
    block[magic + 1] === 0x73 &&
    block[magic + 2] === 0x74 &&
    block[magic + 3] === 0x61 &&
    block[magic + 4] === 0x72
  if (!isUstar) return 'v7'
  if (block[magic + 5] === 0) return 'ustar'
  return block[magic + 5] === 0x20 && block[magic + 6] === 0x20 ? 'gnu' : 'v7'
}

export const headerType = (block: Uint8Array, at: number): number => block[at + TYPE]

export const headerMode = (block: Buffer, at: number, place: TarPlace): number =>
  headerNumber(block, at + MODE, ID_WIDTH, 'mode', place)

export const headerUid = (block: Buffer, at: number, place: TarPlace): number =>
  headerNumber(block, at + UID, ID_WIDTH, 'uid', place)

export const headerGid = (block: Buffer, at: number, place: TarPlace): number =>
  headerNumber(block, at + GID, ID_WIDTH, 'gid', place)

export const headerSize = (block: Buffer, at: number, place: TarPlace): number =>
  headerNumber(block, at + SIZE, SIZE_WIDTH, 'size', place)

export const headerMtime = (block: Buffer, at: number, place: TarPlace): number =>
  headerNumber(block, at + MTIME, SIZE_WIDTH, 'mtime', place)

export const headerDeviceMajor = (block: Buffer, at: number, place: TarPlace): number =>
  headerNumber(block, at + DEVICE_MAJOR, ID_WIDTH, 'device major', place)

export const headerDeviceMinor = (block: Buffer, at: number, place: TarPlace): number =>
  headerNumber(block, at + DEVICE_MINOR, ID_WIDTH, 'device minor', place)

/** Bytes up to the first NUL; a full field has none. */
export function fieldText(block: Buffer, at: number, width: number): PathBytes {
  let end = at
  while (end < at + width && block[end] !== 0) end++
  return block.toString('latin1', at, end)
}

export const headerLinkName = (block: Buffer, at: number): PathBytes =>
  fieldText(block, at + LINK_NAME, NAME_WIDTH)

/** The name with ustar's prefix. GNU headers have times in the place of the prefix, and v7 headers have nothing there. */
export function headerName(block: Buffer, at: number, format: HeaderFormat): PathBytes {
  const name = fieldText(block, at + NAME, NAME_WIDTH)
  if (format !== 'ustar' || block[at + PREFIX] === 0) return name
  return `${fieldText(block, at + PREFIX, PREFIX_WIDTH)}/${name}`
}

/** User and group name. Neighbours often have the same owner, so the last answer is kept together with its bytes. */
export class OwnerNames {
  uname: PathBytes = ''
  gname: PathBytes = ''
  readonly #last = new Uint8Array(2 * OWNER_WIDTH)

  read(block: Buffer, at: number): void {
    const from = at + UNAME
    const last = this.#last
    let index = 0
    while (index < last.length && block[from + index] === last[index]) index++
    if (index === last.length) return
    last.set(block.subarray(from, from + last.length))
    this.uname = fieldText(block, from, OWNER_WIDTH)
    this.gname = fieldText(block, at + GNAME, OWNER_WIDTH)
  }
}
