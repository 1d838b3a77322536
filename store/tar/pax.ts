import { type PathBytes, showPath } from '../values/index.ts'
import { type TarPlace, tarInvalid } from './refuse-tar.ts'

/**
 * PAX extended headers: `LENGTH KEY=VALUE\n` records, one after another (spec/tar.md#pax).
 *
 * Only its length ends a record, because a file name may hold a newline, and a capability or an ACL any byte.
 * tar-stream decodes values as UTF-8, which destroys both.
 */

export interface PaxRecord {
  key: PathBytes
  /** A view into the header's bytes: valid as long as those are. */
  value: Buffer
}

const SPACE = 0x20
const NEWLINE = 0x0a
const EQUALS = 0x3d
const ZERO = 0x30
/** Upper limit for the digits of a length, against numbers that would overflow. */
const LENGTH_DIGITS = 10

/** @throws StrataError TAR_INVALID if a record is not framed exactly as in POSIX */
export function cutPaxRecords(bytes: Buffer, place: TarPlace): PaxRecord[] {
  const records: PaxRecord[] = []
  let at = 0
  while (at < bytes.length) {
    const space = endOfLength(bytes, at, place)
    const end = at + lengthOf(bytes, at, space)
    if (end > bytes.length) {
      throw paxInvalid(
        at,
        place,
        `record of ${end - at} bytes overruns the header, which has ${bytes.length - at} left`
      )
    }
    const keyStart = space + 1
    const equals = bytes.indexOf(EQUALS, keyStart)
    if (end <= keyStart || equals < 0 || equals >= end - 1) throw paxInvalid(at, place, 'record has no "="')
    if (equals === keyStart) throw paxInvalid(at, place, 'record has an empty key')
    if (bytes[end - 1] !== NEWLINE) {
      const key = showPath(bytes.toString('latin1', keyStart, equals))
      throw paxInvalid(at, place, `record ${key} does not end with a newline at the end of its length`)
    }
    records.push({
      key: bytes.toString('latin1', keyStart, equals),
      value: bytes.subarray(equals + 1, end - 1)
    })
    at = end
  }
  return records
}

function endOfLength(bytes: Buffer, at: number, place: TarPlace): number {
  let index = at
  while (index < bytes.length && bytes[index] >= ZERO && bytes[index] <= ZERO + 9) index++
  if (index === at || index - at > LENGTH_DIGITS || bytes[index] !== SPACE) {
    throw paxInvalid(at, place, 'record does not start with its length in decimal and a space')
  }
  return index
}

function lengthOf(bytes: Buffer, from: number, to: number): number {
  let length = 0
  for (let index = from; index < to; index++) length = length * 10 + (bytes[index] - ZERO)
  return length
}

const paxInvalid = (at: number, place: TarPlace, message: string): Error =>
  tarInvalid(place, `PAX header, byte ${at} of its records: ${message}`)

/** Checks a name or text: any bytes except NUL, which ends a C string. */
export function withoutNul(text: PathBytes, key: PathBytes, place: TarPlace): PathBytes {
  if (text.includes('\0')) throw tarInvalid(place, `PAX ${key} holds a NUL byte`)
  return text
}
