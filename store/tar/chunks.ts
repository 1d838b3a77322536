/** Small enough to stay in the processor's cache while it is hashed, large enough to make calls rare. */
export const CHUNK_BYTES = 512 * 1024

/** Gathers bytes into chunks of CHUNK_BYTES. Every chunk is new memory: the reader may keep it. */
export class Chunks {
  #chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES)
  #used = 0

  /** The last, partly filled chunk. */
  rest(): Buffer {
    return this.#chunk.subarray(0, this.#used)
  }

  /**
   * Calls `fill` to write the next bytes, once for each chunk that they reach into.
   * @param fill writes `length` bytes to `into` at `at`, beginning with byte `done` of the whole
   */
  *put(
    lengthBytes: number,
    fill: (into: Buffer, at: number, length: number, done: number) => void
  ): Generator<Buffer> {
    for (let done = 0; done < lengthBytes; ) {
      const piece = Math.min(lengthBytes - done, CHUNK_BYTES - this.#used)
      fill(this.#chunk, this.#used, piece, done)
      done += piece
      this.#used += piece
      if (this.#used === CHUNK_BYTES) yield this.#next()
    }
  }

  *append(bytes: Uint8Array): Generator<Buffer> {
    if (bytes.length < CHUNK_BYTES - this.#used) {
      this.#chunk.set(bytes, this.#used)
      this.#used += bytes.length
    } else {
      yield* this.put(bytes.length, (into, at, length, done) =>
        into.set(bytes.subarray(done, done + length), at)
      )
    }
  }

  *zeros(lengthBytes: number): Generator<Buffer> {
    yield* this.put(lengthBytes, (into, at, length) => into.fill(0, at, at + length))
  }

  #next(): Buffer {
    const full = this.#chunk
    this.#chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES)
    this.#used = 0
    return full
  }
}
