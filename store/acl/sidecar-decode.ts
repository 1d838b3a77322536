import { IdNames, parseId } from '../accounts/index.ts'
import {
  decodeDagJson,
  describe,
  Field,
  Fields,
  integer,
  listOf,
  mapOf,
  type PathBytes,
  pathBytes,
  pathFromText,
  type Reader,
  showPath,
  text
} from '../values/index.ts'
import type { Acl } from './acl.ts'
import { parseAclText } from './acl-text.ts'
import type { Attributes } from './attribute.ts'
import type { Sidecar, SidecarEntry } from './sidecar.ts'
import { encodeSidecar, SIDECAR_VERSION } from './sidecar-encode.ts'

/**
 * Returns entries by path. Equal ACLs, and equal sets of attributes, are one object that must not be changed.
 * @throws StrataError MANIFEST_INVALID for bytes that differ from those encodeSidecar would write
 */
export function decodeSidecar(bytes: Uint8Array): Sidecar {
  const root = new Field('sidecar')
  const fields = new Fields(parseDocument(bytes, root), root)
  fields.required('version', version)
  const acls = fields.required('acls', listOf(aclRow))
  const sets = fields.required('attributes', listOf(attributeSet))
  const sidecar = {
    entries: fields.required('entries', listOf(entryReader(acls, sets))),
    users: fields.required('users', idNames),
    groups: fields.required('groups', idNames)
  }
  fields.end()
  refuseUnsorted(sidecar.entries, root.in('entries'))
  refuseOtherForms(sidecar, bytes, root)
  return sidecar
}

function parseDocument(bytes: Uint8Array, root: Field): unknown {
  try {
    return decodeDagJson(bytes)
  } catch (cause) {
    return root.refuse(`is not DAG-JSON: ${(cause as Error).message}`, cause)
  }
}

const version: Reader<number> = (value, field) =>
  value === SIDECAR_VERSION
    ? SIDECAR_VERSION
    : field.refuse(`found ${describe(value)}, this program reads ${SIDECAR_VERSION}`)

const aclRow: Reader<Acl> = (value, field) => {
  const row = text(value, field)
  const { access, default: defaults } = field.check(() =>
    parseAclText(pathFromText(row), { resolve: new IdNames(), where: { source: 'sidecar' } })
  )
  if (access === undefined || defaults !== undefined) field.refuse('an entry begins with "default:"')
  return access!
}

const attributeSet: Reader<Attributes> = (value, field) => {
  const attributes: Attributes = new Map()
  listOf((member, at) => {
    const fields = new Fields(member, at)
    const name = fields.required('name', pathBytes)
    const bytes = fields.required('value', onlyBytes)
    fields.end()
    if (attributes.has(name)) at.refuse(`a second value for ${showPath(name)}`)
    attributes.set(name, bytes)
  })(value, field)
  return attributes
}

const onlyBytes: Reader<Uint8Array> = (value, field) =>
  value instanceof Uint8Array ? value : field.refuse(`found ${describe(value)}, wanted bytes`)

const entryReader =
  (acls: Acl[], sets: Attributes[]): Reader<SidecarEntry> =>
  (value, field) => {
    const fields = new Fields(value, field)
    const entry: SidecarEntry = { path: fields.required('path', pathBytes) }
    const acl = fields.optional('acl', rowOf(acls))
    const defaultAcl = fields.optional('defaultAcl', rowOf(acls))
    const attributes = fields.optional('attributes', rowOf(sets))
    fields.end()
    if (acl !== undefined) entry.acl = acl
    if (defaultAcl !== undefined) entry.defaultAcl = defaultAcl
    if (attributes !== undefined) entry.attributes = attributes
    return entry
  }

/** Reads the number of a row, and returns that row of a table. */
const rowOf =
  <Row>(table: Row[]): Reader<Row> =>
  (value, field) =>
    table[integer(0, table.length - 1)(value, field)]

const idNames: Reader<Map<number, PathBytes>> = (value, field) =>
  new Map(
    [...mapOf(pathBytes)(value, field)].map(([key, name]) => [
      parseId(key) ?? field.in(key).refuse('the name of this field is not an id'),
      name
    ])
  )

function refuseUnsorted(entries: SidecarEntry[], field: Field): void {
  for (let i = 1; i < entries.length; i++) {
    const before = entries[i - 1].path
    const { path } = entries[i]
    if (path > before) continue
    const how = path === before ? 'twice' : `after ${showPath(before)}`
    field
      .at(i)
      .in('path')
      .refuse(`${showPath(path) || '.'} stands ${how}`)
  }
}

/** Refuses all but the canonical encoding: otherwise two layers with the same content could have different ids. */
function refuseOtherForms(sidecar: Sidecar, bytes: Uint8Array, root: Field): void {
  const canonical = root.check(() => encodeSidecar(sidecar))
  const at = firstDifference(canonical, bytes)
  if (at < 0) return
  const found = showPath(Buffer.from(bytes.subarray(at, at + 40)).toString('latin1'))
  root.refuse(`is not in canonical form from byte ${at} on: ${found}`)
}

function firstDifference(a: Uint8Array, b: Uint8Array): number {
  if (Buffer.compare(a, b) === 0) return -1
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return i
  return length
}
