import { type IdKind, type IdNames, parseId } from '../accounts/index.ts'
import { detailsAt, type PathBytes, type Place, StrataError, showPath, trimEnds } from '../values/index.ts'
import { type Acl, type AclEntry, type AclTag, aclOf, isNamed, validateAcl } from './acl.ts'
import { escapeBytes, GETFACL_NAMES, unescapeBytes } from './escape.ts'

/**
 * ACLs in the text forms of acl(5), as getfacl, setfacl, star, bsdtar and GNU tar write them: long (`user:alice:rw-`)
 * and short (`u:alice:rw`), with `default:` (`d:`) before the entries of a default ACL, with names or ids.
 */

export interface AclTextOptions {
  resolve: IdNames
  where: Place
}

export interface AccessAndDefault {
  access?: Acl
  default?: Acl
}

export interface ParsedEntry {
  section: keyof AccessAndDefault
  entry: AclEntry
}

type Field = 'user' | 'group' | 'mask' | 'other'

const FIELD_OF = new Map<string, Field>([
  ...(['user', 'group', 'mask', 'other'] as const).flatMap(
    field =>
      [
        [field, field],
        [field[0], field]
      ] as const
  )
])

/**
 * Parse the text of one ACL, or of an access and a default ACL together.
 * @param text byte string; entries are separated by commas, line ends or both; `#` begins a comment
 * @throws StrataError ACL_TEXT: an entry cannot be read
 * @throws StrataError ACL_INVALID: entries are missing or stand twice
 * @throws StrataError NAME_UNKNOWN
 */
export function parseAclText(text: string, options: AclTextOptions): AccessAndDefault {
  const entries = text.split('\n').flatMap(line => parseAclLine(line, options))
  if (entries.length === 0) throw textError('an ACL without entries', text, options.where)
  return aclsFrom(entries, options.where)
}

/**
 * The two texts of a PAX header, where `SCHILY.acl.default` holds its entries without `default:`.
 * @throws StrataError as parseAclText
 */
export function parseAclRecords(
  { access, default: defaults }: { access?: string; default?: string },
  options: AclTextOptions
): AccessAndDefault {
  const first = access === undefined ? {} : parseAclText(access, options)
  if (defaults === undefined) return first
  const { access: unmarked, default: marked } = parseAclText(defaults, options)
  if (first.default !== undefined || (unmarked !== undefined && marked !== undefined))
    throw textError('two default ACLs', defaults, options.where)
  return { ...first, default: unmarked ?? marked }
}

/**
 * Sorts entries of any order into checked ACLs.
 * @throws StrataError ACL_INVALID
 */
export function aclsFrom(entries: ParsedEntry[], where: Place): AccessAndDefault {
  const acls: AccessAndDefault = {}
  for (const section of ['access', 'default'] as const) {
    const own = entries.filter(parsed => parsed.section === section)
    if (own.length === 0) continue
    acls[section] = aclOf(own.map(parsed => parsed.entry))
    validateAcl(acls[section], where, section)
  }
  return acls
}

/**
 * The entries of one line; empty for an empty line or a comment.
 * @throws StrataError ACL_TEXT, NAME_UNKNOWN
 */
export const parseAclLine = (line: string, options: AclTextOptions): ParsedEntry[] =>
  withoutComment(line)
    .split(',')
    .map(part => trimEnds(part, ' \t\r'))
    .flatMap(part => (part === '' ? [] : parseAclEntry(part, options)))

/** getfacl appends `#effective:r--` after tabs. A `#` inside a word is part of a name. */
const withoutComment = (line: string): string => line.replace(/(^|[ \t])#.*/s, '')

function parseAclEntry(text: string, { resolve, where }: AclTextOptions): ParsedEntry {
  const marked = /^d(?:efault)?:/.exec(text)
  const [word, ...rest] = text.slice(marked?.[0].length ?? 0).split(':')
  const field = FIELD_OF.get(word)
  if (field === undefined) throw textError('an entry must begin with user, group, mask or other', text, where)
  const fail = (message: string) => textError(message, text, where)
  const entry = field === 'user' || field === 'group' ? ownerEntry(field, rest) : classEntry(field, rest)
  return { section: marked === null ? 'access' : 'default', entry }

  /** `:rw-` and `alice:rw-`; star appends the id: `alice:rw-:1000`. */
  function ownerEntry(kind: IdKind, [name, perms, idText, ...extra]: string[]): AclEntry {
    if (name === undefined || perms === undefined || extra.length > 0)
      throw fail(`expected ${kind}:NAME:rwx with an id or nothing for NAME`)
    const perm = parsePerms(perms, fail)
    if (name !== '') return { tag: kind, id: idOf(kind, name, idText), perm }
    if (idText !== undefined) throw fail('an id, but no name before it')
    return { tag: `${kind}_obj`, perm }
  }

  /** `:rwx`, and `rwx` alone, which Solaris writes. */
  function classEntry(tag: 'mask' | 'other', fields: string[]): AclEntry {
    if (fields.length === 0 || fields.length > 2 || (fields.length === 2 && fields[0] !== ''))
      throw fail(`expected ${tag}::rwx`)
    return { tag, perm: parsePerms(fields[fields.length - 1], fail) }
  }

  function idOf(kind: IdKind, escapedName: string, idText: string | undefined): number {
    const name = unescapeBytes(escapedName, GETFACL_NAMES)
    if (name === undefined) throw fail('a backslash that begins no \\ooo')
    if (idText === undefined) return resolve[kind](name, where)
    const id = parseId(idText)
    if (id === undefined) throw fail(`the id ${showPath(idText)} is not a number from 0 to 4294967294`)
    resolve.note(kind, name, id)
    return id
  }
}

/** `r-x`, `rx`, `x-r`, `5`. */
function parsePerms(text: string, fail: (message: string) => StrataError): number {
  if (/^[0-7]$/.test(text)) return Number(text)
  if (text.includes('X')) throw fail("'X' depends on the file it is applied to; write x or -")
  const letters = text.replace(/-/g, '')
  if (!/^[rwx-]{1,3}$/.test(text) || new Set(letters).size !== letters.length)
    throw fail(`permissions ${showPath(text) || 'missing'}, expected r, w, x and -, or a digit from 0 to 7`)
  return (letters.includes('r') ? 4 : 0) | (letters.includes('w') ? 2 : 0) | (letters.includes('x') ? 1 : 0)
}

/** An ACL_TEXT error that shows the offending text. */
export const textError = (message: string, text: string, where: Place, hint?: string): StrataError =>
  new StrataError('ACL_TEXT', { ...detailsAt(where, message, { text: clip(showPath(text)) }), hint })

const SHOWN_CHARACTERS = 200
const clip = (text: string): string =>
  text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text

export interface FormatAclOptions {
  /** Put `default:` before each entry. */
  default?: boolean
  /** Byte strings by id, written in place of these ids. */
  names?: { users: ReadonlyMap<number, PathBytes>; groups: ReadonlyMap<number, PathBytes> }
}

/** Long form, one entry a line, each line ended; a byte string. */
export const formatAcl = (acl: Acl, options: FormatAclOptions = {}): string =>
  acl.entries.map(entry => `${formatEntry(entry, options)}\n`).join('')

/** Long form with ids on one line, entries between commas: the canonical text of the sidecar. */
export const formatAclLine = (acl: Acl): string => acl.entries.map(entry => formatEntry(entry, {})).join(',')

const WORD_OF: Record<AclTag, Field> = {
  user_obj: 'user',
  user: 'user',
  group_obj: 'group',
  group: 'group',
  mask: 'mask',
  other: 'other'
}

function formatEntry({ tag, id, perm }: AclEntry, { default: marked, names }: FormatAclOptions): string {
  const name = isNamed(tag) ? names?.[tag === 'user' ? 'users' : 'groups'].get(id!) : undefined
  const qualifier = name === undefined ? (id ?? '') : escapeBytes(name, /[\\:, \t\n\r]/g, GETFACL_NAMES)
  const perms = `${perm & 4 ? 'r' : '-'}${perm & 2 ? 'w' : '-'}${perm & 1 ? 'x' : '-'}`
  return `${marked ? 'default:' : ''}${WORD_OF[tag]}:${qualifier}:${perms}`
}
