import { pathFromText, showPath } from '../path-bytes.ts'
import { imageInvalid } from './refuse.ts'

/** Manifests are recommended to stay below 4 MiB; an index.json of thousands of references may be larger. */
export const LARGEST_DOCUMENT_BYTES = 16 << 20

/**
 * A value of a JSON document that somebody else wrote. `null` counts as absent: that is how Go writes empty lists.
 * Every reader throws StrataError SOURCE_INVALID naming the field.
 */
export class Json {
  readonly #value: unknown
  readonly where: string

  constructor(value: unknown, where: string) {
    this.#value = value ?? undefined
    this.where = where
  }

  /** @param where names the document in messages */
  static parse(bytes: Uint8Array, where: string): Json {
    try {
      return new Json(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)), where)
    } catch (cause) {
      throw imageInvalid(where, 'is not JSON', {}, cause)
    }
  }

  get isThere(): boolean {
    return this.#value !== undefined
  }

  member(name: string): Json {
    const value = this.#isMap(this.#value) && Object.hasOwn(this.#value, name) ? this.#value[name] : undefined
    return new Json(value, `${this.where}: ${name}`)
  }

  text(): string {
    return typeof this.#value === 'string' ? this.#value : this.#refuse('a string')
  }

  /** Undefined if absent or empty: writers do not agree on which of the two. */
  optionalText(): string | undefined {
    return this.isThere ? this.text() || undefined : undefined
  }

  size(): number {
    const value = this.#value
    return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
      ? value
      : this.#refuse('a whole number of bytes')
  }

  list(): Json[] {
    if (!Array.isArray(this.#value)) return this.#refuse('a list')
    return this.#value.map((item, index) => new Json(item, `${this.where}[${index}]`))
  }

  optionalList(): Json[] {
    return this.isThere ? this.list() : []
  }

  /** Empty if absent. */
  entries(): [string, Json][] {
    if (!this.isThere) return []
    if (!this.#isMap(this.#value)) return this.#refuse('a map')
    return Object.entries(this.#value).map(([key, value]) => [
      key,
      new Json(value, `${this.where}: ${shown(key)}`)
    ])
  }

  /** One line of JSON, fit to print. */
  toString(): string {
    return shown(JSON.stringify(this.#value) ?? 'nothing')
  }

  #isMap(value: unknown): value is Record<string, unknown> {
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  }

  #refuse(wanted: string): never {
    throw imageInvalid(
      this.where,
      this.isThere ? `found ${this}, wanted ${wanted}` : `missing, wanted ${wanted}`
    )
  }
}

const LONGEST_SHOWN = 100

export const shown = (text: string): string =>
  showPath(pathFromText(text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text))
