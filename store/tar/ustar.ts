/** The ustar header block, and the values that fit into it. */
import type { PathBytes } from '../values/index.ts'
import type { TarEntry } from './tar-entry.ts'

export const BLOCK_BYTES = 512

export const NAME_BYTES = 100
const PREFIX_BYTES = 155

/** Largest values of the octal fields. A larger value is written as this one, and in full in a PAX record. */
export const USTAR_LARGEST = { id: 0o7777777, size: 0o77777777777, mtime: 0o77777777777 } as const

/** The path as it is written in archives: directories end in `/`, the root is `./`. */
export function archivePath({ path, kind }: Pick<TarEntry, 'path' | 'kind'>): PathBytes {
  if (path === '') return './'
  return kind === 'directory' ? `${path}/` : path
}

export interface SplitName {
  prefix: PathBytes
  name: PathBytes
}

/**
 * The path split for ustar's two fields, which readers join with a `/`; undefined if it does not fit. The shortest
 * possible prefix is used.
 */
export function splitName(path: PathBytes): SplitName | undefined {
  if (path.length <= NAME_BYTES) return { prefix: '', name: path }
  const slash = path.indexOf('/', path.length - NAME_BYTES - 1)
  // A slash at the very end (of a directory) would leave no name.
  if (slash <= 0 || slash > PREFIX_BYTES || slash === path.length - 1) return undefined
  return { prefix: path.slice(0, slash), name: path.slice(slash + 1) }
}

export interface UstarFields {
  name: PathBytes
  prefix?: PathBytes
  linkName?: PathBytes
  typeFlag: string
  mode: number
  uid?: number
  gid?: number
  sizeBytes: number
  mtimeSeconds?: number
  deviceMajor?: number
  deviceMinor?: number
}

/**
 * Writes one block at `start` of zeroed bytes. Offsets and widths: POSIX.1-2017, pax, "ustar Interchange Format".
 * Numbers are octal digits and a NUL.
 */
export function writeUstar(into: Buffer, start: number, fields: UstarFields): void {
  into.write(fields.name, start, NAME_BYTES, 'latin1')
  writeOctal(into, start + 100, 7, fields.mode)
  writeOctal(into, start + 108, 7, fields.uid)
  writeOctal(into, start + 116, 7, fields.gid)
  writeOctal(into, start + 124, 11, fields.sizeBytes)
  writeOctal(into, start + 136, 11, fields.mtimeSeconds)
  into[start + 156] = fields.typeFlag.charCodeAt(0)
  if (fields.linkName) into.write(fields.linkName, start + 157, NAME_BYTES, 'latin1')
  into.set(MAGIC_AND_VERSION, start + 257)
  writeOctal(into, start + 329, 7, fields.deviceMajor)
  writeOctal(into, start + 337, 7, fields.deviceMinor)
  if (fields.prefix) into.write(fields.prefix, start + 345, PREFIX_BYTES, 'latin1')
  writeChecksum(into, start)
}

const MAGIC_AND_VERSION = Buffer.from('ustar\x0000', 'latin1')

// Digit by digit: with strings, these fields cost more than the rest of a small file's header.
function writeOctal(into: Buffer, offset: number, digits: number, value = 0): void {
  let left = value
  for (let at = offset + digits - 1; at >= offset; at--) {
    const higher = Math.floor(left / 8)
    into[at] = 0x30 + (left - higher * 8)
    left = higher
  }
}

/** Sum of the block's bytes, the field itself counted as spaces: six octal digits, NUL, space. */
function writeChecksum(into: Buffer, start: number): void {
  let sum = 8 * 0x20
  for (let at = start; at < start + BLOCK_BYTES; at++) sum += into[at]
  writeOctal(into, start + 148, 6, sum)
  into[start + 155] = 0x20
}
