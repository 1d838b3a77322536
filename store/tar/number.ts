import { pathFromBuffer, showPath } from '../values/index.ts'
import { type TarPlace, tarInvalid } from './refuse-tar.ts'
import type { Timestamp } from './tar-entry.ts'

/**
 * Numbers of a tar archive: octal or base-256 in header blocks, decimal in PAX records. They are read as GNU tar's
 * from_header() reads them, but numbers about which it only warns are refused (spec/tar.md#numbers).
 */

const SPACE = 0x20
const ZERO = 0x30
const SEVEN = 0x37
const NINE = 0x39
const BASE_256_POSITIVE = 0x80
const BASE_256_NEGATIVE = 0xff

/** Greatest user or group id: 2^32 - 1 is (uid_t) -1, "no change" to chown(2). */
const MAX_ID = 0xfffffffe

const isBlank = (byte: number): boolean => byte === SPACE || (byte >= 0x09 && byte <= 0x0d)

/**
 * Number in a header field of `width` bytes at `at`: base-256, or octal digits after optional blanks, ended by NUL,
 * blank or the end of the field. A field of NULs is 0, as in GNU tar.
 * @throws StrataError TAR_INVALID for anything else, and for numbers that do not fit a double exactly
 */
export function headerNumber(
  block: Buffer,
  at: number,
  width: number,
  field: string,
  place: TarPlace
): number {
  const first = block[at]
  if (first === BASE_256_POSITIVE || first === BASE_256_NEGATIVE) {
    return base256(block, at, width, field, place)
  }
  const end = at + width
  // Some old tars wrote a NUL first when the field before it overflowed.
  let index = first === 0 ? at + 1 : at
  while (index < end && isBlank(block[index])) index++
  let value = 0
  const digits = index
  for (; index < end; index++) {
    const digit = block[index]
    if (digit < ZERO || digit > SEVEN) break
    value = value * 8 + (digit - ZERO)
  }
  const isAllNul = index === digits && index < end && block[index] === 0
  const isEnded = index === end || block[index] === 0 || isBlank(block[index])
  if ((index === digits && !isAllNul) || !isEnded) {
    throw tarInvalid(
      place,
      `${field} is "${showPath(block.toString('latin1', at, end))}", wanted an octal number`
    )
  }
  return value
}

/** Two's complement, big endian; the lead byte is 0x80 (positive) or 0xff (negative), its low bits are 0 or sign. */
function base256(block: Buffer, at: number, width: number, field: string, place: TarPlace): number {
  const isNegative = block[at] === BASE_256_NEGATIVE
  // For a negative number, -1 - value is computed, which keeps the sum exact: the complement of a small negative number
  // is small.
  const flip = isNegative ? 0xff : 0
  let value = 0
  for (let index = at + 1; index < at + width; index++) value = value * 256 + (block[index] ^ flip)
  if (isNegative) value = -1 - value
  if (!Number.isSafeInteger(value)) throw tarInvalid(place, `${field} is beyond 2^53`)
  return value
}

/** @throws StrataError TAR_INVALID unless `id` is in 0..2^32-2 */
export function checkId(id: number, field: string, place: TarPlace): number {
  if (id < 0 || id > MAX_ID) throw tarInvalid(place, `${field} is ${id}, wanted 0..${MAX_ID}`)
  return id
}

/** @throws StrataError TAR_INVALID unless `size` is in 0..2^53-1 */
export function checkSize(size: number, field: string, place: TarPlace): number {
  if (size < 0 || !Number.isSafeInteger(size)) {
    throw tarInvalid(place, `${field} is ${size}, wanted 0..2^53-1`)
  }
  return size
}

/**
 * Unsigned decimal of a PAX record or sparse map.
 * @throws StrataError TAR_INVALID if it is empty, holds anything but digits, or is beyond 2^53-1
 */
export function decimal(bytes: Uint8Array, from: number, to: number, field: string, place: TarPlace): number {
  let value = 0
  let isNumber = from < to
  for (let index = from; index < to; index++) {
    const digit = bytes[index]
    if (digit < ZERO || digit > NINE) isNumber = false
    value = value * 10 + (digit - ZERO)
  }
  if (!isNumber || !Number.isSafeInteger(value)) {
    const found = showPath(pathFromBuffer(bytes.subarray(from, Math.min(to, from + 40))))
    throw tarInvalid(place, `${field} is "${found}", wanted a decimal number below 2^53`)
  }
  return value
}

const TIME = /^(-?)([0-9]{1,16})(?:\.([0-9]*))?$/

/**
 * Time of a PAX record, floored to nanoseconds: `-1.5` is 500,000,000 ns after second -2.
 * @throws StrataError TAR_INVALID if it is not a decimal fraction, or beyond 2^53 seconds
 */
export function decimalTime(text: string, field: string, place: TarPlace): Timestamp {
  const parts = TIME.exec(text)
  const whole = parts === null ? Number.NaN : Number(parts[2])
  if (parts === null || !Number.isSafeInteger(whole)) {
    throw tarInvalid(
      place,
      `${field} is "${showPath(text.slice(0, 40))}", wanted seconds such as 1700000000.25`
    )
  }
  const fraction = parts[3] ?? ''
  const nanoseconds = Number(fraction.slice(0, 9).padEnd(9, '0'))
  if (parts[1] === '') return { seconds: whole, nanoseconds }
  const isFiner = /[1-9]/.test(fraction.slice(9))
  const below = nanoseconds + (isFiner ? 1 : 0)
  // `0 -` and not unary minus, because a strict comparison tells -0 from 0.
  return below === 0
    ? { seconds: 0 - whole, nanoseconds: 0 }
    : { seconds: 0 - whole - 1, nanoseconds: 1e9 - below }
}
