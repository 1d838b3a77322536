import {
  detailsAt,
  type PathBytes,
  type Place,
  pathFromBuffer,
  StrataError,
  showPath
} from '../values/index.ts'
import { ACCESS_ATTRIBUTE, type Acl, DEFAULT_ATTRIBUTE, decodeAcl } from './acl.ts'
import type { AccessAndDefault } from './acl-text.ts'
import { type Attributes, validateAttribute } from './attribute.ts'
import { escapeBytes, GETFATTR_NAMES, GETFATTR_VALUES, unescapeBytes } from './escape.ts'
import { foreignAttribute } from './foreign-attribute.ts'
import { type BlockParser, ListingLines, parseBlocks } from './listing-lines.ts'
import { listingPath } from './listing-path.ts'

/**
 * Listings of `getfattr -R -d -m - --dump`, which `setfattr --restore` takes, in its three encodings of values.
 * Sources: getfattr(1), and getfattr.c and setfattr.c of attr 2.5.1. Measured there: the text form drops one NUL at the
 * end of a value, and without `-e` getfattr uses it for values such as "abc\0". Only `-e hex` and `-e base64` are
 * exact.
 */

export interface GetfattrBlock {
  /** Relative to the listing's root, '' is the root itself. */
  path: PathBytes
  /** `system.posix_acl_*` included (see splitAclAttributes). */
  attributes: Attributes
  /** Some value was in quotes, so getfattr may have dropped a NUL at its end. */
  hasText: boolean
  /** Number of the `# file:` line, from 1. */
  line: number
}

/**
 * @param source the file's name, for messages
 * @throws StrataError ATTRIBUTE_TEXT: a line cannot be read; a path, or an attribute of one path, stands twice
 * @throws StrataError ATTRIBUTE_INVALID
 */
export const parseGetfattr = (bytes: Uint8Array, source: string): GetfattrBlock[] =>
  parseBlocks(bytes, new ListingLines(source, 'ATTRIBUTE_TEXT'), new GetfattrParser(source))

const FILE = '# file: '

class GetfattrParser implements BlockParser<GetfattrBlock> {
  readonly #source: string
  readonly #lineOfPath = new Map<PathBytes, number>()
  #block: GetfattrBlock | undefined
  #firstBareLine: number | undefined
  #hasValues = false

  constructor(source: string) {
    this.#source = source
  }

  line(text: string, place: Place): GetfattrBlock | undefined {
    if (/^[ \t]*$/.test(text)) return this.#finish()
    if (/^#[ \t]*file:/.test(text)) return this.#begin(text, place)
    if (text.startsWith('#')) return undefined
    if (this.#block === undefined) throw textError('this line belongs to no "# file:" line', text, place)
    this.#attribute(text, place, this.#block)
    return undefined
  }

  /**
   * Refuses a listing without any value. Without --dump, getfattr lists bare names, and every value would become empty.
   */
  end(): GetfattrBlock | undefined {
    if (this.#firstBareLine !== undefined && !this.#hasValues) {
      const where = { source: this.#source, line: this.#firstBareLine }
      throw new StrataError('ATTRIBUTE_TEXT', {
        ...detailsAt(where, 'names without values throughout'),
        hint: 'run getfattr with --dump, or write name="" for an empty value'
      })
    }
    return this.#finish()
  }

  #finish(): GetfattrBlock | undefined {
    const block = this.#block
    this.#block = undefined
    return block
  }

  #begin(text: string, place: Place): GetfattrBlock | undefined {
    const before = this.#finish()
    if (!text.startsWith(FILE)) throw textError(`expected "${FILE}"`, text, place)
    const path = listingPath(text.slice(FILE.length), GETFATTR_NAMES, 'ATTRIBUTE_TEXT', place)
    const lineBefore = this.#lineOfPath.get(path)
    if (lineBefore !== undefined)
      throw textError(`this path is already on line ${lineBefore}`, path || '.', place)
    this.#lineOfPath.set(path, place.line!)
    this.#block = { path, attributes: new Map(), hasText: false, line: place.line! }
    return before
  }

  #attribute(text: string, place: Place, block: GetfattrBlock): void {
    const { attributes } = block
    // getfattr writes '=' in a name as \075, so the first one ends the name.
    const equals = text.indexOf('=')
    const name = unescapeBytes(equals < 0 ? text : text.slice(0, equals), GETFATTR_NAMES)
    if (name === undefined) throw textError('a backslash that begins no \\ooo in a name', text, place)
    if (attributes.has(name)) throw textError('a second value for one attribute', text, place)
    block.hasText ||= text[equals + 1] === '"'
    if (equals < 0) this.#firstBareLine ??= place.line
    else this.#hasValues = true
    const value = equals < 0 ? Buffer.alloc(0) : parseValue(text.slice(equals + 1), text, place)
    // Attributes that belong to a file system are left to the importer, which drops them.
    if (foreignAttribute(name) === undefined) validateAttribute(name, value, place)
    attributes.set(name, value)
  }
}

function parseValue(encoded: string, text: string, place: Place): Buffer {
  if (/^0[xX]/.test(encoded)) {
    if (!/^0.(?:[0-9a-fA-F]{2})*$/.test(encoded))
      throw textError('hexadecimal digits must come in pairs', text, place)
    return Buffer.from(encoded.slice(2), 'hex')
  }
  if (/^0[sS]/.test(encoded)) return parseBase64(encoded.slice(2), text, place)
  const inner = encoded.slice(1, -1)
  if (encoded.length < 2 || encoded !== `"${inner}"` || inner.replace(/\\./gs, '').includes('"'))
    throw textError('expected a value as "text", 0xHEX or 0sBASE64', text, place)
  const value = unescapeBytes(inner, GETFATTR_VALUES)
  if (value === undefined) throw textError('a backslash that begins no \\ooo, \\\\ or \\"', text, place)
  return Buffer.from(value, 'latin1')
}

function parseBase64(encoded: string, text: string, place: Place): Buffer {
  const bytes = Buffer.from(encoded, 'base64')
  // Node skips characters that are not base64, so the result is encoded again and compared.
  if (bytes.toString('base64') !== encoded)
    throw textError('this is not base64 with its padding', text, place)
  return bytes
}

const SHOWN_CHARACTERS = 200

function textError(message: string, text: string, place: Place): StrataError {
  const shown = text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text
  return new StrataError('ATTRIBUTE_TEXT', detailsAt(place, message, { text: showPath(shown) }))
}

/**
 * Takes the ACLs out of a set of attributes.
 * @throws StrataError ACL_INVALID: an ACL attribute is not a valid ACL
 */
export function splitAclAttributes(
  all: Attributes,
  decode: (bytes: Uint8Array) => Acl = decodeAcl
): AccessAndDefault & { attributes: Attributes } {
  const attributes: Attributes = new Map(all)
  const access = attributes.get(ACCESS_ATTRIBUTE)
  const defaults = attributes.get(DEFAULT_ATTRIBUTE)
  attributes.delete(ACCESS_ATTRIBUTE)
  attributes.delete(DEFAULT_ATTRIBUTE)
  return {
    attributes,
    ...(access === undefined ? {} : { access: decode(access) }),
    ...(defaults === undefined ? {} : { default: decode(defaults) })
  }
}

/**
 * Writes a listing for `setfattr --restore`, each block's attributes in byte order. Printable ASCII stays readable,
 * other values become hexadecimal. Paths without attributes are left out, as getfattr does.
 */
export function formatGetfattr(blocks: Iterable<Pick<GetfattrBlock, 'path' | 'attributes'>>): Buffer {
  const parts: Buffer[] = []
  for (const { path, attributes } of blocks) {
    if (attributes.size === 0) continue
    const lines = [...attributes.keys()]
      .sort()
      .map(name => `${formatName(name)}=${formatValue(attributes.get(name)!)}\n`)
    const text = `${FILE}${escapeBytes(path || '.', /[\\\r\n]/g, GETFATTR_NAMES)}\n${lines.join('')}\n`
    parts.push(Buffer.from(text, 'latin1'))
  }
  return Buffer.concat(parts)
}

/** A name that begins with `#` would be read as a comment, but every namespace begins with a letter. */
const formatName = (name: PathBytes): string => escapeBytes(name, /[\\\r\n=]/g, GETFATTR_NAMES)

function formatValue(value: Uint8Array): string {
  const text = pathFromBuffer(value)
  if (!/^[\x20-\x7e]*$/.test(text)) return `0x${Buffer.from(text, 'latin1').toString('hex')}`
  return `"${escapeBytes(text, /["\\]/g, GETFATTR_VALUES)}"`
}
