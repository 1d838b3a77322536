import type { TarSink } from './tar-entry.ts'

const NO_BYTES = Buffer.alloc(0)

/** Bytes kept of earlier chunks: one record of 20 blocks, the unit in which tar writes. */
export const RECORD_BYTES = 20 * 512
/** A block more, because the block that is compared is behind them. */
const KEPT_BYTES = RECORD_BYTES + 512

/**
 * The current chunk and a position in it. Bytes that the parser passes are literal, unless it takes them as content.
 * Literal bytes are handed on in runs as long as possible.
 */
export class ChunkWindow {
  /** The bytes of the last {@link gather}: the chunk itself, or a copy of its pieces. */
  block: Buffer = NO_BYTES
  blockAt = 0

  readonly #sink: TarSink
  #chunk: Buffer = NO_BYTES
  #at = 0
  #literalStart = 0
  /** Offset of the chunk's first byte in the archive. */
  #chunkOffset = 0
  /** The last bytes before the chunk, in `#earlierRoom`. */
  #earlier: Buffer = NO_BYTES
  readonly #earlierRoom = Buffer.allocUnsafe(KEPT_BYTES)
  #held: Buffer = NO_BYTES
  #heldBytes = 0

  constructor(sink: TarSink) {
    this.#sink = sink
  }

  open(chunk: Uint8Array): void {
    this.#chunk = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    this.#at = 0
    this.#literalStart = 0
  }

  close(): void {
    this.flushLiteral()
    this.#chunkOffset += this.#chunk.length
    this.#keepLast()
    this.#chunk = NO_BYTES
    this.#at = 0
    this.#literalStart = 0
  }

  get isUsedUp(): boolean {
    return this.#at === this.#chunk.length
  }

  /** Offset in the archive of the next byte. */
  get offset(): number {
    return this.#chunkOffset + this.#at
  }

  /** True if part of a structure waits for the rest of it. */
  get isHolding(): boolean {
    return this.#heldBytes > 0
  }

  /** Puts `count` bytes in one piece at `block`, `blockAt`. @returns true if all of them have come */
  gather(count: number): boolean {
    const available = this.#chunk.length - this.#at
    if (this.#heldBytes === 0 && available >= count) {
      this.block = this.#chunk
      this.blockAt = this.#at
      this.#at += count
      return true
    }
    if (this.#held.length < count) this.#held = Buffer.allocUnsafe(count)
    const taken = Math.min(available, count - this.#heldBytes)
    this.#chunk.copy(this.#held, this.#heldBytes, this.#at, this.#at + taken)
    this.#at += taken
    this.#heldBytes += taken
    if (this.#heldBytes < count) return false
    this.#heldBytes = 0
    this.block = this.#held
    this.blockAt = 0
    return true
  }

  /** The part of a structure that waits for its rest. */
  get held(): Buffer {
    return this.#held.subarray(0, this.#heldBytes)
  }

  /** True if the bytes of the last {@link gather} equal those one record earlier. */
  repeatsRecord(count: number): boolean {
    const from = this.offset - count - RECORD_BYTES
    const before = [this.#earlierFrom(from, count), this.#chunkFrom(from, count)]
    return Buffer.concat(before).equals(this.block.subarray(this.blockAt, this.blockAt + count))
  }

  #earlierFrom(offset: number, count: number): Buffer {
    const start = offset - (this.#chunkOffset - this.#earlier.length)
    return start < 0 ? NO_BYTES : this.#earlier.subarray(start, start + count)
  }

  #chunkFrom(offset: number, count: number): Buffer {
    const end = offset + count - this.#chunkOffset
    return end <= 0 ? NO_BYTES : this.#chunk.subarray(Math.max(0, end - count), end)
  }

  /** In memory of its own: some for each chunk would be a third of a tarball's size, and start V8's collector often. */
  #keepLast(): void {
    const last = this.#chunk.subarray(Math.max(0, this.#chunk.length - KEPT_BYTES))
    const room = this.#earlierRoom
    const keptBytes = Math.min(this.#earlier.length, KEPT_BYTES - last.length)
    room.copyWithin(0, this.#earlier.length - keptBytes, this.#earlier.length)
    room.set(last, keptBytes)
    this.#earlier = room.subarray(0, keptBytes + last.length)
  }

  /** Hands on literal bytes that were passed but not handed on yet. */
  flushLiteral(): void {
    if (this.#at > this.#literalStart) this.#sink.literal(this.#chunk.subarray(this.#literalStart, this.#at))
    this.#literalStart = this.#at
  }

  /** Hands on up to `count` bytes as content. @returns how many */
  passData(count: number): number {
    this.flushLiteral()
    const taken = Math.min(count, this.#chunk.length - this.#at)
    this.#sink.data(this.#chunk.subarray(this.#at, this.#at + taken))
    this.#at += taken
    this.#literalStart = this.#at
    return taken
  }

  /** Passes over up to `count` bytes. @returns how many */
  skip(count: number): number {
    const taken = Math.min(count, this.#chunk.length - this.#at)
    this.#at += taken
    return taken
  }
}
