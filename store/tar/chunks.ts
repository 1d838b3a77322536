/** Small enough to stay in the processor's cache while it is hashed, large enough to make calls rare. */
export const CHUNK_BYTES = 512 * 1024

/** Gathers bytes into chunks of CHUNK_BYTES. Every chunk is new memory: the reader may keep it. */
export class Chunks {
  #chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES)
  #used = 0

  /** What is left at the end. */
  rest(): Buffer {
    return this.#chunk.subarray(0, this.#used)
  }

  /**
   * Has `fill` put the next bytes in place, piece by piece where they exceed a chunk.
   * @param fill puts `length` bytes at `at` of `into`, those from `done` on
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
