import {
  Field,
  integer,
  isMap,
  listOf,
  mapOf,
  pathFromText,
  type Reader,
  showPath,
  text
} from '../values/index.ts'
import { imageInvalid, OF_IMAGES } from './refuse-image.ts'

/** Limit for documents. Manifests should stay below 4 MiB; an index.json with thousands of references may be larger. */
export const LARGEST_DOCUMENT_BYTES = 16 << 20

/**
 * A value of a JSON document of another program, read by the same readers as our own documents. Unknown fields are
 * ignored, and `null` counts as absent, because Go writes empty lists so. Every method throws StrataError
 * SOURCE_INVALID that names the field.
 */
export class Json {
  readonly #value: unknown
  readonly #field: Field

  constructor(value: unknown, field: Field) {
    this.#value = value ?? undefined
    this.#field = field
  }

  /** @param where names the document in messages */
  static parse(bytes: Uint8Array, where: string): Json {
    try {
      const value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
      return new Json(value, new Field(where, OF_IMAGES))
    } catch (cause) {
      throw imageInvalid(where, 'is not JSON', {}, cause)
    }
  }

  /** Document and field, for messages. */
  get where(): string {
    return this.#field.place
  }

  get isThere(): boolean {
    return this.#value !== undefined
  }

  member(name: string): Json {
    const value = isMap(this.#value) && Object.hasOwn(this.#value, name) ? this.#value[name] : undefined
    return new Json(value, this.#field.in(name))
  }

  text(): string {
    return this.#read(text)
  }

  /** Undefined if absent or empty: programs write either. */
  optionalText(): string | undefined {
    return this.isThere ? this.text() || undefined : undefined
  }

  size(): number {
    return this.#read(integer(0, Number.MAX_SAFE_INTEGER))
  }

  list(): Json[] {
    return this.#read(listOf(json))
  }

  optionalList(): Json[] {
    return this.isThere ? this.list() : []
  }

  /** Empty if absent. */
  entries(): [string, Json][] {
    return this.isThere ? [...this.#read(mapOf(json))] : []
  }

  /** One line of JSON, safe to print. */
  toString(): string {
    return showStart(JSON.stringify(this.#value) ?? 'nothing')
  }

  #read<T>(read: Reader<T>): T {
    return read(this.#value, this.#field)
  }
}

const json: Reader<Json> = (value, field) => new Json(value, field)

const LONGEST_SHOWN = 100

export const showStart = (text: string): string =>
  showPath(pathFromText(text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text))
