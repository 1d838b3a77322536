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

/** Manifests are recommended to stay below 4 MiB; an index.json of thousands of references may be larger. */
export const LARGEST_DOCUMENT_BYTES = 16 << 20

/**
 * A value of a JSON document that somebody else wrote, read by the readers of our own documents: fields that nobody asks
 * for are passed over, and `null` counts as absent, which is how Go writes empty lists.
 * Every method throws StrataError SOURCE_INVALID naming the field.
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

  /** Undefined if absent or empty: writers do not agree on which of the two. */
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

  /** One line of JSON, fit to print. */
  toString(): string {
    return shown(JSON.stringify(this.#value) ?? 'nothing')
  }

  #read<T>(read: Reader<T>): T {
    return read(this.#value, this.#field)
  }
}

const json: Reader<Json> = (value, field) => new Json(value, field)

const LONGEST_SHOWN = 100

export const shown = (text: string): string =>
  showPath(pathFromText(text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text))
