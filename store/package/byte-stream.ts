import type { PackageFile } from './package-file.ts'

/** Takes pieces of given sizes from chunks of any size. */
export class ByteStream {
  /** Bytes taken so far. */
  position = 0
  readonly #chunks: AsyncIterator<Uint8Array>
  readonly #file: PackageFile
  readonly #what: string
  #chunk: Buffer = Buffer.alloc(0)

  /** @param what the thing that is read, for messages */
  constructor(chunks: AsyncIterable<Uint8Array>, file: PackageFile, what: string) {
    this.#chunks = chunks[Symbol.asyncIterator]()
    this.#file = file
    this.#what = what
  }

  /** @throws StrataError SOURCE_INVALID if fewer bytes are left */
  async read(lengthBytes: number): Promise<Buffer> {
    const pieces: Buffer[] = []
    for await (const piece of this.pieces(lengthBytes)) pieces.push(piece)
    return pieces.length === 1 ? pieces[0] : Buffer.concat(pieces)
  }

  /** Skips the padding up to a multiple of `alignment`. */
  async align(alignment: number): Promise<void> {
    await this.read((alignment - (this.position % alignment)) % alignment)
  }

  /** The next bytes, in pieces of any size. */
  async *pieces(lengthBytes: number): AsyncGenerator<Buffer> {
    for (let left = lengthBytes; left > 0; ) {
      if (this.#chunk.length === 0 && !(await this.#next()))
        this.refuse(`${left} bytes more wanted, but it ends here`)
      const piece = this.#chunk.subarray(0, left)
      this.#chunk = this.#chunk.subarray(piece.length)
      this.position += piece.length
      left -= piece.length
      yield piece
    }
  }

  /** Reads the rest, so that its checks are made; the rest must be zeros. */
  async finish(): Promise<void> {
    for (;;) {
      if (this.#chunk.some(byte => byte !== 0)) this.refuse('other bytes follow the end')
      this.position += this.#chunk.length
      if (!(await this.#next())) return
    }
  }

  async close(): Promise<void> {
    await this.#chunks.return?.()
  }

  /** @throws StrataError SOURCE_INVALID */
  refuse(fault: string): never {
    return this.#file.refuse(this.#what, this.position, fault)
  }

  async #next(): Promise<boolean> {
    const { done, value } = await this.#chunks.next()
    if (done === true) return false
    this.#chunk = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    return true
  }
}
