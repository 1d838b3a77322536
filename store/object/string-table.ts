import { StrataError } from '../values/index.ts'

/** Limit because positions in the pool are u32. */
const MAX_POOL_BYTES = 2 ** 32 - 1

/** Distinct byte strings, numbered in the order in which they were first seen. */
export class StringTable {
  readonly #numbers = new Map<string, number>()
  #bytes = 0

  /** @param text bytes as a latin1 string @throws StrataError LIMIT_EXCEEDED */
  add(text: string): number {
    const known = this.#numbers.get(text)
    if (known !== undefined) return known
    this.#bytes += text.length
    if (this.#bytes > MAX_POOL_BYTES)
      throw new StrataError('LIMIT_EXCEEDED', {
        message: 'link targets, attributes and ACLs of one layer together exceed 4 GiB',
        hint: 'split the layer into several'
      })
    const number = this.#numbers.size
    this.#numbers.set(text, number)
    return number
  }

  get size(): number {
    return this.#numbers.size
  }

  encode(): { stringStart: Uint32Array; stringPool: Uint8Array } {
    const stringStart = new Uint32Array(this.#numbers.size + 1)
    const stringPool = Buffer.alloc(this.#bytes)
    let position = 0
    let i = 0
    for (const text of this.#numbers.keys()) {
      stringStart[i++] = position
      position += stringPool.write(text, position, 'latin1')
    }
    stringStart[i] = position
    return { stringStart, stringPool }
  }
}

export const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
