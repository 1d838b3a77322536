import { decode } from '@ipld/dag-json'
import type { Acl } from './acl/acl.ts'
import { parseAclText } from './acl/acl-text.ts'
import type { Attributes } from './attribute.ts'
import { StrataError } from './errors.ts'
import { IdNames, parseId } from './id-names.ts'
import { type PathBytes, pathFromText, showPath } from './path-bytes.ts'
import type { Sidecar, SidecarEntry } from './sidecar.ts'
import { encodeSidecar, invalid, SIDECAR_VERSION } from './sidecar-encode.ts'

/**
 * Entries are returned by path; equal ACLs and equal sets are one object, not to be changed.
 * @throws StrataError MANIFEST_INVALID: anything that encodeSidecar would not have written, byte for byte
 */
export function decodeSidecar(bytes: Uint8Array): Sidecar {
  const fields = fieldsOf(parseDocument(bytes), 'document', ROOT_FIELDS)
  if (fields.version !== SIDECAR_VERSION)
    throw invalid('version', `${show(fields.version)}, this program reads ${SIDECAR_VERSION}`)
  const acls = listOf(fields.acls, 'acls').map(decodeAclRow)
  const sets = listOf(fields.attributes, 'attributes').map(decodeSet)
  const entries = listOf(fields.entries, 'entries').map((row, i) =>
    decodeEntry(row, `entries[${i}]`, acls, sets)
  )
  const sidecar = {
    entries,
    users: decodeNames(fields.users, 'users'),
    groups: decodeNames(fields.groups, 'groups')
  }
  refuseUnsorted(entries)
  refuseOtherForms(sidecar, bytes)
  return sidecar
}

const ROOT_FIELDS = { acls: true, attributes: true, entries: true, groups: true, users: true, version: true }
const ENTRY_FIELDS = { path: true, acl: false, defaultAcl: false, attributes: false }
const ATTRIBUTE_FIELDS = { name: true, value: true }

function parseDocument(bytes: Uint8Array): unknown {
  try {
    return decode(bytes)
  } catch (cause) {
    throw invalid('document', `not DAG-JSON: ${(cause as Error).message}`)
  }
}

/** The members of a map; `expected` says of each known field whether it must be there. */
function fieldsOf(value: unknown, field: string, expected: Record<string, boolean>): Record<string, unknown> {
  if (!isMap(value)) throw invalid(field, `${show(value)}, expected a map`)
  for (const key of Object.keys(value))
    if (!Object.hasOwn(expected, key)) throw invalid(field, `unknown field ${show(key)}`)
  for (const key of Object.keys(expected))
    if (expected[key] && !Object.hasOwn(value, key)) throw invalid(field, `field "${key}" is missing`)
  return value
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)

function listOf(value: unknown, field: string): unknown[] {
  if (!Array.isArray(value)) throw invalid(field, `${show(value)}, expected a list`)
  return value
}

function decodeBytesOrText(value: unknown, field: string): PathBytes {
  if (typeof value === 'string') return pathFromText(value)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1')
  throw invalid(field, `${show(value)}, expected a string or bytes`)
}

function decodeAclRow(row: unknown, i: number): Acl {
  const field = `acls[${i}]`
  if (typeof row !== 'string') throw invalid(field, `${show(row)}, expected a string`)
  const { access, default: defaults } = within(field, () =>
    parseAclText(pathFromText(row), { resolve: new IdNames(), where: { source: 'sidecar' } })
  )
  if (access === undefined || defaults !== undefined) throw invalid(field, 'an entry begins with "default:"')
  return access
}

function decodeSet(row: unknown, i: number): Attributes {
  const attributes: Attributes = new Map()
  for (const [j, member] of listOf(row, `attributes[${i}]`).entries()) {
    const field = `attributes[${i}][${j}]`
    const { name: rawName, value } = fieldsOf(member, field, ATTRIBUTE_FIELDS)
    const name = decodeBytesOrText(rawName, `${field}.name`)
    if (!(value instanceof Uint8Array)) throw invalid(`${field}.value`, `${show(value)}, expected bytes`)
    if (attributes.has(name)) throw invalid(field, `a second value for ${showPath(name)}`)
    attributes.set(name, value)
  }
  return attributes
}

function decodeEntry(row: unknown, field: string, acls: Acl[], sets: Attributes[]): SidecarEntry {
  const fields = fieldsOf(row, field, ENTRY_FIELDS)
  const entry: SidecarEntry = { path: decodeBytesOrText(fields.path, `${field}.path`) }
  if (fields.acl !== undefined) entry.acl = rowAt(acls, fields.acl, `${field}.acl`)
  if (fields.defaultAcl !== undefined)
    entry.defaultAcl = rowAt(acls, fields.defaultAcl, `${field}.defaultAcl`)
  if (fields.attributes !== undefined)
    entry.attributes = rowAt(sets, fields.attributes, `${field}.attributes`)
  return entry
}

function rowAt<Row>(table: Row[], index: unknown, field: string): Row {
  if (!(Number.isInteger(index) && Object.hasOwn(table, index as number)))
    throw invalid(field, `${show(index)}, expected an index below ${table.length}`)
  return table[index as number]
}

function decodeNames(value: unknown, field: string): Map<number, PathBytes> {
  const names = new Map<number, PathBytes>()
  if (!isMap(value)) throw invalid(field, `${show(value)}, expected a map`)
  for (const [key, name] of Object.entries(value)) {
    const id = parseId(key)
    if (id === undefined) throw invalid(field, `key ${show(key)}, expected an id`)
    names.set(id, decodeBytesOrText(name, `${field}.${key}`))
  }
  return names
}

function refuseUnsorted(entries: SidecarEntry[]): void {
  for (let i = 1; i < entries.length; i++) {
    const before = entries[i - 1].path
    const { path } = entries[i]
    if (path === before) throw invalid(`entries[${i}].path`, `${showPath(path) || '.'} stands twice`)
    if (path < before)
      throw invalid(`entries[${i}].path`, `${showPath(path) || '.'} stands after ${showPath(before)}`)
  }
}

/** One sidecar has one encoding, or two layers with the same content could have different ids. */
function refuseOtherForms(sidecar: Sidecar, bytes: Uint8Array): void {
  const canonical = within('document', () => encodeSidecar(sidecar))
  const at = firstDifference(canonical, bytes)
  if (at < 0) return
  const found = showPath(Buffer.from(bytes.subarray(at, at + 40)).toString('latin1'))
  throw invalid('document', `not in canonical form from byte ${at} on: ${found}`)
}

function firstDifference(a: Uint8Array, b: Uint8Array): number {
  if (Buffer.compare(a, b) === 0) return -1
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return i
  return length
}

/** What is wrong inside a manifest is the manifest's fault, whichever check found it. */
function within<T>(field: string, work: () => T): T {
  try {
    return work()
  } catch (cause) {
    if (!(cause instanceof StrataError) || cause.code === 'MANIFEST_INVALID') throw cause
    throw new StrataError('MANIFEST_INVALID', {
      message: `sidecar, ${field}: ${cause.message}`,
      facts: cause.facts,
      cause
    })
  }
}

/** A value of the wrong type or range, for messages. */
function show(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return isMap(value) ? 'a map' : 'bytes'
  return typeof value === 'string' ? JSON.stringify(value).slice(0, 80) : String(value)
}
