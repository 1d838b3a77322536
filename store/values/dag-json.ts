/**
 * DAG-JSON (https://ipld.io/specs/codecs/dag-json/spec/), as manifests have it: links `{"/": id}`, bytes
 * `{"/": {"bytes": base64}}`, whole numbers, keys in order, no blanks. Node's own JSON does most of it: @ipld/dag-json takes
 * longer to load than `compose list` to run, and ten times as long for a record. A test compares the two.
 */
import { CID } from 'multiformats/cid'
import { isMap } from './fields.ts'

/** Our own manifests are nested at most eight deep. The limit keeps hostile input from filling the stack. */
const DEEPEST = 64
const SLASH = '/'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Decodes one value. A value may be written in several ways (blanks, another order, a key twice); callers that need the
 * one canonical form encode the value again and compare.
 * @throws Error for text that is not JSON, and for a map with the key `/` that is neither a link nor bytes
 */
export const decodeDagJson = (bytes: Uint8Array): unknown => revive(JSON.parse(utf8.decode(bytes)), DEEPEST)

/** @param depth levels that may still follow */
function revive(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (depth === 0) throw new Error(`it is nested more than ${DEEPEST} deep`)
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++)
      if (typeof value[i] === 'object') value[i] = revive(value[i], depth - 1)
    return value
  }
  const map = value as Record<string, unknown>
  if (Object.hasOwn(map, SLASH)) return reviveReserved(map)
  // Only objects change, and a key such as __proto__ stays what JSON.parse made of it.
  for (const key of Object.keys(map))
    if (typeof map[key] === 'object' && map[key] !== null)
      Object.defineProperty(map, key, {
        value: revive(map[key], depth - 1),
        enumerable: true,
        configurable: true,
        writable: true
      })
  return map
}

function reviveReserved(map: Record<string, unknown>): CID | Uint8Array {
  const { [SLASH]: value } = map
  if (Object.keys(map).length === 1) {
    if (typeof value === 'string') return CID.parse(value)
    if (isMap(value) && Object.keys(value).length === 1 && typeof value.bytes === 'string')
      return new Uint8Array(Buffer.from(value.bytes, 'base64'))
  }
  throw new Error('a map with the key "/" that is neither a link nor bytes')
}

/** @throws TypeError for a value that manifests cannot hold */
export const encodeDagJson = (value: unknown): Uint8Array => Buffer.from(textOf(value))

function textOf(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value)
    case 'boolean':
      return String(value)
    case 'number':
      if (!Number.isSafeInteger(value)) break
      return String(value)
    case 'object':
      return value === null ? 'null' : textOfObject(value)
  }
  throw new TypeError(`${typeof value} ${String(value)} is in no manifest`)
}

function textOfObject(value: object): string {
  if (Array.isArray(value)) return `[${value.map(textOf).join()}]`
  if (value instanceof Uint8Array) {
    const base64 = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')
    return `{"/":{"bytes":"${base64.replace(/={1,2}$/, '')}"}}`
  }
  const cid = CID.asCID(value)
  if (cid !== null) return `{"/":${JSON.stringify(cid.toString())}}`
  const map = value as Record<string, unknown>
  // UTF-16 order, as in @ipld/dag-json; our own keys are ASCII.
  const members = Object.keys(map).sort()
  return `{${members.map(key => `${JSON.stringify(key)}:${textOf(map[key])}`).join()}}`
}
