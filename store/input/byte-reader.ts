/** Pulls chunks of an input one by one. It can look ahead at the first bytes, and counts the bytes that were read. */
export class ByteReader {
  /** Bytes handed out so far, which is the offset of the next chunk. */
  offset = 0
  readonly #chunks: AsyncIterator<Uint8Array>
  readonly #onRead: (bytes: number) => void
  #ahead: Buffer[] = []

  constructor(input: AsyncIterable<Uint8Array>, onRead: (bytes: number) => void) {
    this.#chunks = input[Symbol.asyncIterator]()
    this.#onRead = onRead
  }

  /** The next chunk, never empty; undefined at the end. */
  async next(): Promise<Buffer | undefined> {
    const chunk = this.#ahead.shift() ?? (await this.#pull())
    if (chunk !== undefined) this.offset += chunk.length
    return chunk
  }

  /** The first `count` bytes that {@link next} will return, fewer if the input ends before. */
  async peek(count: number): Promise<Buffer> {
    let available = this.#ahead.reduce((sum, chunk) => sum + chunk.length, 0)
    while (available < count) {
      const chunk = await this.#pull()
      if (chunk === undefined) break
      this.#ahead.push(chunk)
      available += chunk.length
    }
    return Buffer.concat(this.#ahead).subarray(0, count)
  }

  /** All remaining chunks, those that were peeked at included. Closes the source at the end. */
  async *rest(): AsyncGenerator<Uint8Array> {
    try {
      for (let chunk = await this.next(); chunk !== undefined; chunk = await this.next()) yield chunk
    } finally {
      await this.close()
    }
  }

  /** Closes the source, whether it was read to its end or not. */
  async close(): Promise<void> {
    await this.#chunks.return?.()
  }

  async #pull(): Promise<Buffer | undefined> {
    for (;;) {
      const { done, value } = await this.#chunks.next()
      if (done === true) return undefined
      if (value.length === 0) continue
      this.#onRead(value.length)
      return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    }
  }
}
