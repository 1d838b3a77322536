/**
 * Attributes that inodes share, each stored once (spec/erofs.md#shared). A tree may have an ACL on every file, but few
 * different ones.
 */
import { encodeAttribute } from './attributes.ts'
import { ATTRIBUTE_ALIGNMENT, BLOCK_BYTES } from './format-numbers.ts'

/** Numbers of attributes in the table; inodes hold them. */
export type AttributeNumbers = readonly number[]

export interface NamedValue {
  /** In full, bytes as latin1. */
  name: string
  value: Uint8Array
}

export class SharedAttributes {
  readonly #parts: Uint8Array[] = []
  readonly #known = new Map<string, number>()
  readonly #values = new Map<number, NamedValue>()
  #bytes = 0

  /** @throws StrataError IMAGE_LIMIT for a name or value that EROFS cannot store */
  numberOf(name: string, value: Uint8Array): number {
    const attribute = encodeAttribute(name, value)
    const key = attribute.toString('latin1')
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const number = this.#bytes / ATTRIBUTE_ALIGNMENT
    this.#parts.push(attribute)
    this.#bytes += attribute.length
    this.#known.set(key, number)
    this.#values.set(number, { name, value })
    return number
  }

  /** @param number one that `numberOf` gave */
  of(number: number): NamedValue {
    return this.#values.get(number)!
  }

  get blocks(): number {
    return Math.ceil(this.#bytes / BLOCK_BYTES)
  }

  write(out: Uint8Array, start: number): void {
    let at = start
    for (const part of this.#parts) {
      out.set(part, at)
      at += part.length
    }
  }
}
