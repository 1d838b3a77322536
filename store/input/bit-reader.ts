/** Thrown when the buffer has no more bits. The caller fetches more bytes and starts its unit again. */
export class OutOfBits extends Error {}

/** Reads the bits of a byte buffer, the highest of each byte first. */
export class BitReader {
  readonly #bytes: Uint8Array
  #at = 0
  // The low #count bits of #window were read from #bytes but are not handed out yet.
  #window = 0
  #count = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** Number of bytes of which every bit was taken. */
  get wholeBytes(): number {
    return this.#at - Math.ceil(this.#count / 8)
  }

  /** Number of bits taken of the byte behind {@link wholeBytes}. */
  get usedBits(): number {
    return (8 - (this.#count & 7)) & 7
  }

  /** @param count 1..24 */
  read(count: number): number {
    this.#fill(count)
    this.#count -= count
    return (this.#window >>> this.#count) & ((1 << count) - 1)
  }

  read32(): number {
    return this.read(16) * 0x10000 + this.read(16)
  }

  /** The next 20 bits, without taking them; zeros behind the end of the buffer. */
  peek20(): number {
    while (this.#count < 20 && this.#at < this.#bytes.length) this.#pull()
    return this.#count >= 20
      ? (this.#window >>> (this.#count - 20)) & 0xfffff
      : (this.#window << (20 - this.#count)) & 0xfffff
  }

  /** Takes bits that {@link peek20} showed. */
  skip(count: number): void {
    if (count > this.#count) throw new OutOfBits()
    this.#count -= count
  }

  alignToByte(): void {
    this.#count -= this.#count & 7
  }

  #fill(count: number): void {
    while (this.#count < count) {
      if (this.#at >= this.#bytes.length) throw new OutOfBits()
      this.#pull()
    }
  }

  #pull(): void {
    this.#window = (this.#window << 8) | this.#bytes[this.#at++]
    this.#count += 8
  }
}
