import { type ErrorCode, StrataError } from './errors.ts'
import { pathFromText, showPath } from './path-bytes.ts'

/**
 * Strict reading of documents that were JSON. A reader of its type takes each field, and fields that no reader took are
 * refused, so that a document of a later format is never half understood. Other code gets no value of an unexpected
 * type: `[131072]` and `"131072"` count as 131072 wherever JavaScript wants a number.
 */

export type Reader<T> = (value: unknown, field: Field) => T

/** The error for a fault in a document. */
export interface Refusal {
  code: ErrorCode
  /** Label of the fact that names the document. */
  label: string
  hint: string
}

const OF_MANIFESTS: Refusal = { code: 'MANIFEST_INVALID', label: 'manifest', hint: 'compose fsck' }

/**
 * A place in a document, for messages. A document may have a million of them, so the text is made only when it is asked
 * for.
 */
export class Field {
  readonly #where: string
  readonly #refusal: Refusal
  readonly #parent: Field | undefined
  readonly #step: string | number

  /** @param where names the document: its file or id */
  constructor(where: string, refusal: Refusal = OF_MANIFESTS, parent?: Field, step: string | number = '') {
    this.#where = where
    this.#refusal = refusal
    this.#parent = parent
    this.#step = step
  }

  /** `modules[2].layers`; empty for the document itself. */
  get path(): string {
    if (this.#parent === undefined) return ''
    const above = this.#parent.path
    if (typeof this.#step === 'number') return `${above}[${this.#step}]`
    const shown = showPath(pathFromText(this.#step.slice(0, 80)))
    return above === '' ? shown : `${above}.${shown}`
  }

  /** Document and place in it. */
  get place(): string {
    const { path } = this
    return path === '' ? this.#where : `${this.#where}: field ${path}`
  }

  in(name: string): Field {
    return new Field(this.#where, this.#refusal, this, name)
  }

  at(index: number): Field {
    return new Field(this.#where, this.#refusal, this, index)
  }

  /** @throws StrataError of the code of such documents */
  refuse(fault: string, cause?: unknown): never {
    const { code, label, hint } = this.#refusal
    const { path } = this
    throw new StrataError(code, {
      message: `${this.place}: ${fault}`,
      facts: { [label]: this.#where, ...(path === '' ? {} : { field: path }) },
      hint,
      cause
    })
  }

  /** Runs a check of user input, and turns its error into one about this field. */
  check<T>(check: (what: string) => T): T {
    try {
      return check(this.path)
    } catch (cause) {
      if (!(cause instanceof StrataError)) throw cause
      return this.refuse(cause.message, cause)
    }
  }
}

/** The fields of a JSON text. @throws StrataError as {@link Field.refuse} */
export function parseFields(text: string, root: Field): Fields {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    root.refuse(`is not JSON: ${(cause as Error).message}`, cause)
  }
  return new Fields(value, root)
}

/** The fields of one map. Call `end` after reading all known ones. */
export class Fields {
  readonly #map: Record<string, unknown>
  readonly field: Field
  /** Names that were asked for; `#taken` of them are there. */
  readonly #known: string[] = []
  #taken = 0

  constructor(value: unknown, field: Field) {
    if (!isMap(value)) field.refuse(`found ${describe(value)}, wanted a map`)
    this.#map = value
    this.field = field
  }

  required<T>(name: string, read: Reader<T>): T {
    return this.optional(name, read) ?? this.field.in(name).refuse('is missing')
  }

  optional<T>(name: string, read: Reader<T>): T | undefined {
    const isThere = Object.hasOwn(this.#map, name)
    if (!this.#known.includes(name)) {
      this.#known.push(name)
      if (isThere) this.#taken++
    }
    return isThere ? read(this.#map[name], this.field.in(name)) : undefined
  }

  end(): void {
    const names = Object.keys(this.#map)
    if (names.length === this.#taken) return
    const unknown = names.find(name => !this.#known.includes(name))
    if (unknown !== undefined) this.field.in(unknown).refuse('is not known in this version of the format')
  }
}

/** Maps only: links and bytes, which the codec makes objects of, are not maps. */
export const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' &&
  value !== null &&
  (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null)

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
  <T extends string | number | boolean>(...values: T[]): Reader<T> =>
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

/** A string that matches a pattern. */
export const matching =
  (form: RegExp, wanted: string): Reader<string> =>
  (value, field) =>
    typeof value === 'string' && form.test(value)
      ? value
      : field.refuse(`found ${describe(value)}, wanted ${wanted}`)

export const sha256: Reader<string> = matching(/^[0-9a-f]{64}$/, '64 lower case hexadecimal digits')

export const unlessEmpty = <T>(list: T[]): T[] | undefined => (list.length === 0 ? undefined : list)

/** Leaves out fields that are undefined, since a missing field is never written as null. */
export const dropUndefined = <T extends object>(node: T): T =>
  Object.fromEntries(Object.entries(node).filter(([, value]) => value !== undefined)) as T

/**
 * Describes the value itself, and not the members of a list or a map: they may be nested deeper than the stack of calls
 * allows.
 */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return value === null ? 'null' : 'nothing'
  if (typeof value === 'string') return `"${showPath(pathFromText(value.slice(0, 60)))}"`
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean')
    return String(value)
  if (Array.isArray(value)) return 'a list'
  if (value instanceof Uint8Array) return 'bytes'
  return isMap(value) ? 'a map' : 'a link'
}
