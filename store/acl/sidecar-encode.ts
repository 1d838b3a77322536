import { parseId } from '../accounts/index.ts'
import { type PathBytes, pathToBuffer, StrataError, showPath } from '../values/index.ts'
import { type Acl, isMinimal, validateAcl } from './acl.ts'
import { formatAclLine } from './acl-text.ts'
import { type Attributes, validateAttribute } from './attribute.ts'
import type { Sidecar, SidecarEntry } from './sidecar.ts'

/**
 * Writes DAG-JSON without the package @ipld/dag-json, but the same bytes (a test compares them). For 1,000,000 entries
 * (51 MB) the package took 9.6 s and 1.2 GB of memory, Node 20, one core of an x86-64 server.
 */

/** Format version (spec/sidecar.md#versions). */
export const SIDECAR_VERSION = 1

/**
 * The same sidecar gives the same bytes, whatever the order of entries, attributes and names.
 * @throws StrataError MANIFEST_INVALID: no entries, a path twice or not canonical, an entry without ACL and attributes
 * @throws StrataError ACL_INVALID, ATTRIBUTE_INVALID
 */
export function encodeSidecar({ entries, users, groups }: Sidecar): Uint8Array {
  if (entries.length === 0)
    throw invalidSidecar('entries', 'empty; a layer without ACLs and attributes has no sidecar')
  const acls = new Table(aclText)
  const sets = new Table(attributesText)
  const body = encodeEntries(sortedByPath(entries), acls, sets)
  const head = `{"acls":[${acls.rows.join()}],"attributes":[${sets.rows.join()}],"entries":[`
  const tail = `],"groups":${namesText('groups', groups)},"users":${namesText('users', users)},"version":${SIDECAR_VERSION}}`
  return Buffer.concat([Buffer.from(head), ...body, Buffer.from(tail)])
}

function sortedByPath(entries: SidecarEntry[]): SidecarEntry[] {
  const sorted = [...entries].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
  for (const [i, { path }] of sorted.entries()) {
    if (i > 0 && path === sorted[i - 1].path)
      throw invalidSidecar('entries', `two entries for ${showPath(path) || '.'}`)
  }
  return sorted
}

/** Distinct values, numbered by first use. A value that is the same object as an earlier one is not compared again. */
class Table<Value extends object> {
  readonly rows: string[] = []
  readonly #indexOfText = new Map<string, number>()
  readonly #indexOfValue = new Map<Value, number>()
  readonly #textOf: (value: Value, path: PathBytes) => string

  constructor(textOf: (value: Value, path: PathBytes) => string) {
    this.#textOf = textOf
  }

  indexOf(value: Value, path: PathBytes): number {
    const known = this.#indexOfValue.get(value)
    if (known !== undefined) return known
    const text = this.#textOf(value, path)
    const index = this.#indexOfText.get(text) ?? this.rows.push(text) - 1
    this.#indexOfText.set(text, index)
    this.#indexOfValue.set(value, index)
    return index
  }
}

const ENTRIES_PER_CHUNK = 10_000 // strings of some 500 KB, far from V8's limit of 512 MB

function encodeEntries(entries: SidecarEntry[], acls: Table<Acl>, sets: Table<Attributes>): Buffer[] {
  const chunks: Buffer[] = []
  for (let from = 0; from < entries.length; from += ENTRIES_PER_CHUNK) {
    const texts = entries.slice(from, from + ENTRIES_PER_CHUNK).map(entry => entryText(entry, acls, sets))
    chunks.push(Buffer.from(`${from === 0 ? '' : ','}${texts.join()}`))
  }
  return chunks
}

/** Members are written in byte order, which DAG-JSON demands of the keys of a map. */
function entryText(entry: SidecarEntry, acls: Table<Acl>, sets: Table<Attributes>): string {
  const { path, acl, defaultAcl, attributes } = entry
  if (!isCanonicalPath(path)) throw invalidEntry(path, 'the path is not canonical')
  if (acl === undefined && defaultAcl === undefined && attributes === undefined)
    throw invalidEntry(path, 'says nothing')
  if (acl !== undefined && isMinimal(acl))
    throw invalidEntry(path, 'the access ACL says no more than the mode')
  const members = [
    acl === undefined ? '' : `"acl":${acls.indexOf(acl, path)},`,
    attributes === undefined ? '' : `"attributes":${sets.indexOf(attributes, path)},`,
    defaultAcl === undefined ? '' : `"defaultAcl":${acls.indexOf(defaultAcl, path)},`
  ]
  return `{${members.join('')}"path":${bytesText(path)}}`
}

const isCanonicalPath = (path: PathBytes): boolean =>
  path === '' || !(path.includes('\0') || /(?:^|\/)\.{0,2}(?:\/|$)/.test(path))

function aclText(acl: Acl, path: PathBytes): string {
  validateAcl(acl, { source: 'sidecar', member: path })
  return JSON.stringify(formatAclLine(acl))
}

function attributesText(attributes: Attributes, path: PathBytes): string {
  if (attributes.size === 0) throw invalidEntry(path, 'an empty set of attributes')
  const rows = [...attributes.keys()].sort().map(name => {
    const value = attributes.get(name)!
    validateAttribute(name, value, { source: 'sidecar', member: path })
    return `{"name":${bytesText(name)},"value":${bytesForm(value)}}`
  })
  return `[${rows.join()}]`
}

function namesText(field: 'users' | 'groups', names: ReadonlyMap<number, PathBytes>): string {
  const members = [...names].map(([id, name]) => {
    if (parseId(String(id)) === undefined || name === '')
      throw invalidSidecar(field, `${id} is called ${showPath(name)}`)
    return `"${id}":${bytesText(name)}`
  })
  // DAG-JSON sorts keys as strings: "10" stands before "9". Sorting the whole members gives the same order, because the
  // quote that ends a key sorts before every digit.
  return `{${members.sort().join()}}`
}

// A byte order mark at the start of a name is part of the name.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A JSON string where the bytes are UTF-8, else the DAG-JSON form of bytes. */
function bytesText(bytes: PathBytes): string {
  if (/^[\x20-\x7e]*$/.test(bytes)) return JSON.stringify(bytes)
  const buffer = pathToBuffer(bytes)
  try {
    return JSON.stringify(utf8.decode(buffer))
  } catch {
    return bytesForm(buffer)
  }
}

/** Base64 without padding (https://ipld.io/specs/codecs/dag-json/spec/#bytes). */
function bytesForm(bytes: Uint8Array): string {
  const base64 = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
  return `{"/":{"bytes":"${base64.replace(/={1,2}$/, '')}"}}`
}

/** A MANIFEST_INVALID error about this field of the sidecar. */
const invalidSidecar = (field: string, found: string): StrataError =>
  new StrataError('MANIFEST_INVALID', { message: `sidecar, ${field}: ${found}`, facts: { field } })

const invalidEntry = (path: PathBytes, found: string): StrataError =>
  invalidSidecar(`entry ${showPath(path) || '.'}`, found)
