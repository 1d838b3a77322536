const BUFFER_BYTES = 1 << 20

/** Gathers small pieces, so that they are written in few calls. */
export class PieceBuffer {
  readonly #write: (bytes: Uint8Array) => Promise<void>
  /** Made when it is needed: parts that come from elsewhere are written without it. */
  #buffer: Buffer | undefined
  #filled = 0

  constructor(write: (bytes: Uint8Array) => Promise<void>) {
    this.#write = write
  }

  /** Bytes that are not written yet. */
  get waiting(): number {
    return this.#filled
  }

  async append(bytes: Uint8Array): Promise<void> {
    if (this.#filled + bytes.length > BUFFER_BYTES) await this.flush()
    if (bytes.length > BUFFER_BYTES) return this.#write(bytes)
    this.#buffer ??= Buffer.allocUnsafe(BUFFER_BYTES)
    this.#buffer.set(bytes, this.#filled)
    this.#filled += bytes.length
  }

  async flush(): Promise<void> {
    if (this.#filled === 0) return
    const bytes = this.#buffer!.subarray(0, this.#filled)
    this.#filled = 0
    await this.#write(bytes)
  }

  /** Forgets the bytes that are not written yet. */
  clear(): void {
    this.#filled = 0
  }
}
