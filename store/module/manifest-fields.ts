import { CID } from 'multiformats/cid'
import { cidFault, type DAG_JSON, formatCid, type RAW } from '../digest.ts'
import { StrataError } from '../errors.ts'
import {
  type PathBytes,
  pathFromBuffer,
  pathFromText,
  pathToBuffer,
  pathToText,
  showPath
} from '../path-bytes.ts'

/**
 * Strict reading of decoded manifests: each field is taken by a reader of its type, and what no reader took is
 * refused, so that a manifest of a later format is never half understood.
 */

export type Reader<T> = (value: unknown, field: Field) => T

/** A place in a manifest, for messages. */
export class Field {
  readonly #where: string
  readonly path: string

  /** @param where names the manifest: its file or id */
  constructor(where: string, path = '') {
    this.#where = where
    this.path = path
  }

  in(name: string): Field {
    const shown = showPath(pathFromText(name.slice(0, 80)))
    return new Field(this.#where, this.path === '' ? shown : `${this.path}.${shown}`)
  }

  at(index: number): Field {
    return new Field(this.#where, `${this.path}[${index}]`)
  }

  /** @throws StrataError MANIFEST_INVALID */
  refuse(fault: string, cause?: unknown): never {
    const field = this.path === '' ? '' : `field ${this.path}: `
    throw new StrataError('MANIFEST_INVALID', {
      message: `${this.#where}: ${field}${fault}`,
      facts: { manifest: this.#where, ...(this.path === '' ? {} : { field: this.path }) },
      hint: 'compose fsck',
      cause
    })
  }

  /** Runs a check of user input, whose complaint becomes one about this field. */
  check<T>(check: (what: string) => T): T {
    try {
      return check(this.path)
    } catch (cause) {
      if (!(cause instanceof StrataError)) throw cause
      return this.refuse(cause.message, cause)
    }
  }
}

/** The fields of one map; call `end` when all that are known were asked for. */
export class Fields {
  readonly #map: Record<string, unknown>
  readonly #field: Field
  readonly #known = new Set<string>()

  constructor(value: unknown, field: Field) {
    if (!isMap(value)) field.refuse(`found ${describe(value)}, wanted a map`)
    this.#map = value
    this.#field = field
  }

  required<T>(name: string, read: Reader<T>): T {
    return this.optional(name, read) ?? this.#field.in(name).refuse('is missing')
  }

  optional<T>(name: string, read: Reader<T>): T | undefined {
    this.#known.add(name)
    return Object.hasOwn(this.#map, name) ? read(this.#map[name], this.#field.in(name)) : undefined
  }

  end(): void {
    const unknown = Object.keys(this.#map).find(name => !this.#known.has(name))
    if (unknown !== undefined) this.#field.in(unknown).refuse('is not known in this version of the format')
  }
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  !(value instanceof Uint8Array) &&
  CID.asCID(value) === null

export const text: Reader<string> = (value, field) =>
  typeof value === 'string' ? value : field.refuse(`found ${describe(value)}, wanted a string`)

export const boolean: Reader<boolean> = (value, field) =>
  typeof value === 'boolean' ? value : field.refuse(`found ${describe(value)}, wanted true or false`)

export const integer =
  (lowest: number, highest: number): Reader<number> =>
  (value, field) =>
    typeof value === 'number' && Number.isInteger(value) && value >= lowest && value <= highest
      ? value
      : field.refuse(`found ${describe(value)}, wanted a whole number from ${lowest} to ${highest}`)

export const oneOf =
  <T extends string | number>(...values: T[]): Reader<T> =>
  (value, field) =>
    values.includes(value as T)
      ? (value as T)
      : field.refuse(`found ${describe(value)}, wanted ${values.map(v => JSON.stringify(v)).join(' or ')}`)

export const listOf =
  <T>(read: Reader<T>): Reader<T[]> =>
  (value, field) =>
    Array.isArray(value)
      ? value.map((item, index) => read(item, field.at(index)))
      : field.refuse(`found ${describe(value)}, wanted a list`)

/** A map whose keys are data, not field names. */
export const mapOf =
  <T>(read: Reader<T>): Reader<Map<string, T>> =>
  (value, field) =>
    isMap(value)
      ? new Map(Object.entries(value).map(([key, item]) => [key, read(item, field.in(key))]))
      : field.refuse(`found ${describe(value)}, wanted a map`)

export const link =
  (codec: typeof RAW | typeof DAG_JSON): Reader<CID> =>
  (value, field) => {
    const cid = CID.asCID(value)
    if (cid === null) return field.refuse(`found ${describe(value)}, wanted a link (CID)`)
    const fault = cidFault(cid, codec)
    if (fault !== undefined) field.refuse(`the link ${cid} ${fault}`)
    // CID.parse remembers the text it was given, in any base and with any padding; ids have one text only.
    if (cid.toString() !== formatCid(cid)) field.refuse(`the link ${cid} is not in its canonical text form`)
    return cid
  }

/** Bytes that are mostly text are written as a string, and as bytes only where they are not UTF-8. */
export const pathBytes: Reader<PathBytes> = (value, field) => {
  if (typeof value === 'string') return pathFromText(value)
  if (value instanceof Uint8Array) return pathFromBuffer(value)
  return field.refuse(`found ${describe(value)}, wanted a string or bytes`)
}

/** The node that {@link pathBytes} reads back. */
export const pathNode = (path: PathBytes): string | Uint8Array => pathToText(path) ?? pathToBuffer(path)

export const unlessEmpty = <T>(list: T[]): T[] | undefined => (list.length === 0 ? undefined : list)

/** Without the fields that are undefined: absent fields are left out, never null. */
export const present = <T extends object>(node: T): T =>
  Object.fromEntries(Object.entries(node).filter(([, value]) => value !== undefined)) as T

function describe(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value === 'string') return `"${showPath(pathFromText(value.slice(0, 60)))}"`
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean')
    return String(value)
  if (Array.isArray(value)) return 'a list'
  if (value instanceof Uint8Array) return 'bytes'
  return CID.asCID(value) === null ? 'a map' : 'a link'
}
