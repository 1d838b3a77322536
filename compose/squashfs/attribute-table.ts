import { pathFromBuffer, StrataError, showPath } from '../../store/values/index.ts'
import { ATTRIBUTE_PREFIXES, OUT_OF_LINE } from './format-numbers.ts'
import { MetadataStream, referenceOf } from './metadata-stream.ts'

/** A full name (`user.x`) and a value, both as exact bytes. */
export type Attribute = [name: Uint8Array, value: Uint8Array]

/** Longer values are stored once and referred to; a reference itself takes 8 bytes. */
const INLINE_BYTES = 8

/**
 * Attribute sets of an image, each stored once. Long values are stored once, too, even if sets differ
 * (spec/squashfs.md#attributes).
 */
export class AttributeTable {
  readonly #pairs = new MetadataStream('attribute table')
  readonly #sets = new MetadataStream('attribute set table')
  readonly #setOfBytes = new Map<string, number>()
  /** Reference to a value that is already stored. */
  readonly #placeOfValue = new Map<string, number>()
  count = 0

  /**
   * Number of a set, which is sorted by name.
   * @throws StrataError IMAGE_LIMIT for a name that SquashFS cannot store
   */
  numberOf(attributes: Attribute[]): number {
    const key = keyOf(attributes)
    const known = this.#setOfBytes.get(key)
    if (known !== undefined) return known
    const start = this.#pairs.length
    for (const [name, value] of attributes) this.#append(name, value)
    this.#sets.reserve(16)
    this.#sets.u64(referenceOf(start))
    this.#sets.u32(attributes.length)
    this.#sets.u32(this.#pairs.length - start)
    this.#setOfBytes.set(key, this.count)
    return this.count++
  }

  get pairs(): MetadataStream {
    return this.#pairs
  }

  get sets(): MetadataStream {
    return this.#sets
  }

  #append(name: Uint8Array, value: Uint8Array): void {
    const { type, rest } = splitName(name)
    const pairs = this.#pairs
    pairs.reserve(16 + rest.length + value.length)
    const key = value.length > INLINE_BYTES ? pathFromBuffer(value) : undefined
    const place = key === undefined ? undefined : this.#placeOfValue.get(key)
    pairs.u16(place === undefined ? type : type | OUT_OF_LINE)
    pairs.u16(rest.length)
    pairs.bytes(rest)
    if (place === undefined) {
      if (key !== undefined) this.#placeOfValue.set(key, referenceOf(pairs.length))
      pairs.u32(value.length)
      pairs.bytes(value)
    } else {
      pairs.u32(8)
      pairs.u64(place)
    }
  }
}

const keyOf = (attributes: Attribute[]): string =>
  attributes
    .map(([name, value]) => `${name.length} ${value.length} ${pathFromBuffer(name)}${pathFromBuffer(value)}`)
    .join('')

function splitName(name: Uint8Array): { type: number; rest: Uint8Array } {
  const text = pathFromBuffer(name)
  const type = ATTRIBUTE_PREFIXES.findIndex(prefix => text.startsWith(prefix) && text.length > prefix.length)
  if (type >= 0) return { type, rest: name.subarray(ATTRIBUTE_PREFIXES[type].length) }
  throw new StrataError('IMAGE_LIMIT', {
    message: `attribute ${showPath(text)} cannot be stored: SquashFS stores only ${ATTRIBUTE_PREFIXES.map(p => `${p}*`).join(', ')}`,
    facts: { attribute: showPath(text) },
    hint: 'compose build --sandbox DIR (a directory can store it)'
  })
}
