import { BLOCK_BYTES } from './ustar.ts'

const TYPE_AT = 156
const SIZE_AT = 124

/**
 * A PAX record of the first member; undefined if the member has none of that key, or if it does not end within `start`.
 * This does not check the archive; its reader does.
 * @param start the first bytes of a tar
 */
export function firstPaxRecord(start: Buffer, key: string): Buffer | undefined {
  if (start.length < BLOCK_BYTES || start[TYPE_AT] !== 'x'.charCodeAt(0)) return undefined
  const size = Number.parseInt(start.toString('latin1', SIZE_AT, SIZE_AT + 11), 8)
  const body = start.subarray(BLOCK_BYTES, BLOCK_BYTES + size)
  for (let at = 0; at < body.length; ) {
    const [prefix] = /^\d{1,10} /.exec(body.toString('latin1', at, at + 11)) ?? []
    const length = Number.parseInt(prefix ?? '', 10)
    if (prefix === undefined || !(length > prefix.length) || at + length > body.length) return undefined
    const record = body.subarray(at + prefix.length, at + length - 1)
    const equals = record.indexOf('=')
    if (record.toString('latin1', 0, equals) === key) return record.subarray(equals + 1)
    at += length
  }
}
