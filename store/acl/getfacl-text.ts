import type { IdNames } from '../accounts/index.ts'
import type { PathBytes, Place, StrataError } from '../values/index.ts'
import type { Acl } from './acl.ts'
import { type AccessAndDefault, aclsFrom, formatAcl, parseAclLine, textError } from './acl-text.ts'
import { escapeBytes, GETFACL_NAMES, unescapeBytes } from './escape.ts'
import { type BlockParser, ListingLines, parseBlocks } from './listing-lines.ts'
import { listingPath } from './listing-path.ts'

/**
 * Listings of `getfacl -R`, which `setfacl --restore` takes. A block begins with `# file:` and ends with an empty line.
 * Sources: getfacl(1), and setfacl.c of acl 2.3.1 where it differs.
 */

export interface GetfaclBlock extends AccessAndDefault {
  /** Relative to the listing's root, '' is the root itself. */
  path: PathBytes
  owner?: number
  group?: number
  /**
   * Set-id and sticky bits, of 0o7000. getfacl leaves the line out when there is none, and setfacl clears all three
   * when it is missing.
   */
  flags?: number
  /** Number of the `# file:` line, from 1. */
  line: number
}

export interface GetfaclOptions {
  /** The file's name, for messages. */
  source: string
  resolve: IdNames
}

/**
 * @throws StrataError ACL_TEXT: a line cannot be read, a path stands twice or leaves the root
 * @throws StrataError ACL_INVALID, NAME_UNKNOWN
 */
export const parseGetfacl = (bytes: Uint8Array, options: GetfaclOptions): GetfaclBlock[] =>
  parseBlocks(bytes, new ListingLines(options.source, 'ACL_TEXT'), new GetfaclParser(options))

const HEADER = /^#([ \t]*)(file|owner|group|flags):( ?)(.*)$/s
const FLAGS = /^([s-])([s-])([t-])$/

interface EntryLine {
  text: string
  place: Place
}

class GetfaclParser implements BlockParser<GetfaclBlock> {
  readonly #resolve: IdNames
  readonly #lineOfPath = new Map<PathBytes, number>()
  /** Thousands of files may share one ACL, so each text is parsed once and its ACLs are shared. */
  readonly #parsed = new Map<string, AccessAndDefault>()
  #block: GetfaclBlock | undefined
  #blockPlace: Place = { source: '' }
  #entryLines: EntryLine[] = []

  constructor({ resolve }: GetfaclOptions) {
    this.#resolve = resolve
  }

  line(text: string, place: Place): GetfaclBlock | undefined {
    if (/^[ \t]*$/.test(text)) return this.end()
    if (text.startsWith('#')) {
      const header = HEADER.exec(text)
      return header === null ? undefined : this.#header(header, text, place)
    }
    if (this.#block === undefined) throw strayLine(text, place)
    this.#entryLines.push({ text, place })
    return undefined
  }

  end(): GetfaclBlock | undefined {
    const block = this.#block
    if (block !== undefined) Object.assign(block, this.#acls())
    this.#block = undefined
    this.#entryLines = []
    return block
  }

  #acls(): AccessAndDefault {
    const key = this.#entryLines.map(line => line.text).join('\n')
    const parsed = this.#parsed.get(key)
    if (parsed !== undefined) return parsed
    const resolve = this.#resolve
    const entries = this.#entryLines.flatMap(({ text, place }) =>
      parseAclLine(text, { resolve, where: place })
    )
    const acls = aclsFrom(entries, this.#blockPlace)
    this.#parsed.set(key, acls)
    return acls
  }

  #header(
    [, blank, key, separator, value]: RegExpExecArray,
    text: string,
    place: Place
  ): GetfaclBlock | undefined {
    // Skipping `#file: x` as a comment would give its entries to the path before it.
    if (blank !== ' ' || separator !== ' ') throw textError(`expected "# ${key}: "`, text, place)
    if (key === 'file') {
      const before = this.end()
      this.#begin(listingPath(value, GETFACL_NAMES, 'ACL_TEXT', place), place)
      return before
    }
    const block = this.#block
    if (block === undefined) throw strayLine(text, place)
    const field = key as 'owner' | 'group' | 'flags'
    if (block[field] !== undefined) throw textError(`a second "# ${key}:" line for one path`, text, place)
    block[field] = field === 'flags' ? parseFlags(value, text, place) : this.#id(field, value, text, place)
    return undefined
  }

  #begin(path: PathBytes, place: Place): void {
    const line = place.line!
    const before = this.#lineOfPath.get(path)
    if (before !== undefined) throw textError(`this path is already on line ${before}`, path || '.', place)
    this.#lineOfPath.set(path, line)
    this.#block = { path, line }
    this.#blockPlace = { ...place, member: path }
  }

  #id(field: 'owner' | 'group', value: string, text: string, place: Place): number {
    const name = unescapeBytes(value, GETFACL_NAMES)
    if (name === undefined || name === '') throw textError(`no name or id of the ${field}`, text, place)
    return field === 'owner' ? this.#resolve.user(name, place) : this.#resolve.group(name, place)
  }
}

const strayLine = (text: string, place: Place): StrataError =>
  textError('this line belongs to no "# file:" line', text, place, 'run getfacl without --omit-header')

function parseFlags(value: string, text: string, place: Place): number {
  const flags = FLAGS.exec(value)
  if (flags === null) throw textError('expected flags such as s--, -s- or sst', text, place)
  return (flags[1] === 's' ? 0o4000 : 0) | (flags[2] === 's' ? 0o2000 : 0) | (flags[3] === 't' ? 0o1000 : 0)
}

/** The fields that setfacl needs for each path. It refuses a default ACL without an access ACL. */
export type WritableBlock = Omit<GetfaclBlock, 'line' | 'access'> & { access: Acl }

/**
 * Writes a listing for `setfacl --restore`, with ids in digits. Paths are escaped as by getfacl. A blank at the start
 * of a path is escaped as well: getfacl 2.3.1 writes it bare, and setfacl would skip it and change another file.
 */
export function formatGetfacl(blocks: Iterable<WritableBlock>): Buffer {
  const parts: Buffer[] = []
  for (const block of blocks) parts.push(Buffer.from(formatBlock(block), 'latin1'))
  return Buffer.concat(parts)
}

function formatBlock({ path, owner, group, flags = 0, access, default: defaults }: WritableBlock): string {
  const shown = escapeBytes(path || '.', /[\\\r\n]|^[ \t]/g, GETFACL_NAMES)
  return [
    `# file: ${shown}\n`,
    owner === undefined ? '' : `# owner: ${owner}\n`,
    group === undefined ? '' : `# group: ${group}\n`,
    flags === 0 ? '' : `# flags: ${formatFlags(flags)}\n`,
    formatAcl(access),
    defaults === undefined ? '' : formatAcl(defaults, { default: true }),
    '\n'
  ].join('')
}

const formatFlags = (flags: number): string =>
  `${flags & 0o4000 ? 's' : '-'}${flags & 0o2000 ? 's' : '-'}${flags & 0o1000 ? 't' : '-'}`
