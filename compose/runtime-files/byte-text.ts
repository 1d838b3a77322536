/** From this length on, TypedArray.set is faster than a loop that V8 has not compiled yet. */
const SHORT_BYTES = 8

/** Text as bytes, because half a million paths would cost most of their time as strings. */
export class ByteText {
  #bytes: Uint8Array
  #length = 0

  /** @param capacity bytes to begin with */
  constructor(capacity = 1 << 16) {
    this.#bytes = new Uint8Array(capacity) // making views of a Buffer takes longer
  }

  /** Appends bytes [start, end). */
  add(bytes: Uint8Array, start = 0, end = bytes.length): this {
    const count = end - start
    if (this.#length + count > this.#bytes.length) this.#enlarge(count)
    if (count > SHORT_BYTES)
      this.#bytes.set(count === bytes.length ? bytes : bytes.subarray(start, end), this.#length)
    else for (let i = 0; i < count; i++) this.#bytes[this.#length + i] = bytes[start + i]
    this.#length += count
    return this
  }

  /** The bytes, as a view. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  #enlarge(count: number): void {
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + count))
    larger.set(this.bytes())
    this.#bytes = larger
  }
}
