/** Extended attributes in their stored form (spec/erofs.md#attributes). */
import { ACCESS_ATTRIBUTE, DEFAULT_ATTRIBUTE } from '../../store/acl/index.ts'
import { StrataError, showPath } from '../../store/values/index.ts'
import { ATTRIBUTE_ALIGNMENT } from './format-numbers.ts'
import { writeText } from './write-text.ts'

/** Whole names that have a number, then beginnings of names. */
const WHOLE: Record<string, number> = { [ACCESS_ATTRIBUTE]: 2, [DEFAULT_ATTRIBUTE]: 3 }
const BEGINNINGS: [string, number][] = [
  ['user.', 1],
  ['trusted.', 4],
  ['security.', 6]
]
const HEAD_BYTES = 4
const LONGEST_NAME = 255
const LONGEST_VALUE = 65_535

/**
 * Head, name and value, with zeros behind.
 * @param name in full, bytes as latin1
 * @throws StrataError IMAGE_LIMIT for a name or value that EROFS cannot store
 */
export function encodeAttribute(name: string, value: Uint8Array): Buffer {
  const { index, rest } = splitName(name)
  if (rest.length > LONGEST_NAME || value.length > LONGEST_VALUE)
    throw limit(name, `a name of ${rest.length} bytes and a value of ${value.length}`)
  const bytes = Buffer.alloc(aligned(HEAD_BYTES + rest.length + value.length))
  bytes.writeUInt8(rest.length, 0)
  bytes.writeUInt8(index, 1)
  bytes.writeUInt16LE(value.length, 2)
  bytes.write(rest, HEAD_BYTES, 'latin1')
  bytes.set(value, HEAD_BYTES + rest.length)
  return bytes
}

function splitName(name: string): { index: number; rest: string } {
  if (WHOLE[name] !== undefined) return { index: WHOLE[name], rest: '' }
  const found = BEGINNINGS.find(([beginning]) => name.startsWith(beginning))
  if (found === undefined) throw limit(name, 'an attribute of another kind')
  return { index: found[1], rest: name.slice(found[0].length) }
}

const aligned = (bytes: number): number => Math.ceil(bytes / ATTRIBUTE_ALIGNMENT) * ATTRIBUTE_ALIGNMENT

const limit = (name: string, found: string): StrataError =>
  new StrataError('IMAGE_LIMIT', {
    message: `attribute ${showPath(name)}: ${found}; EROFS stores user.*, trusted.*, security.* with names of ${LONGEST_NAME} and values of ${LONGEST_VALUE} bytes at most`,
    facts: { attribute: showPath(name) }
  })

/** On a file whose bytes are in a data layer: overlayfs takes all but the bytes from here. */
export const METACOPY = 'trusted.overlay.metacopy'

/** The same attribute for every file but its value, the path in the data layer. */
export const REDIRECT = 'trusted.overlay.redirect'
const REDIRECT_START = encodeAttribute(REDIRECT, new Uint8Array(0))

/** The path begins with a slash, and another one stands behind the folder. */
const pathBytes = ({ folder, name }: PathInTree): number =>
  folder === '' ? 1 + name.length : 2 + folder.length + name.length

export const redirectBytes = (inode: PathInTree): number => aligned(REDIRECT_START.length + pathBytes(inode))

export function writeRedirect(out: Buffer, start: number, inode: PathInTree): void {
  const { folder, name } = inode
  out.set(REDIRECT_START, start)
  const lengthBytes = pathBytes(inode)
  out[start + 2] = lengthBytes & 0xff
  out[start + 3] = lengthBytes >>> 8
  let at = start + REDIRECT_START.length
  out[at++] = SLASH
  if (folder !== '') {
    writeText(out, at, folder)
    at += folder.length
    out[at++] = SLASH
  }
  writeText(out, at, name)
}

/** As an inode of the tree has them, bytes as latin1. */
interface PathInTree {
  folder: string
  name: string
}

const SLASH = 0x2f
