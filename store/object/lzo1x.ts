/**
 * One LZO1X block, as Linux describes the stream (Documentation/staging/lzo.rst). Each instruction copies bytes that were
 * written before, and then some literals; how many these were (the state) decides what a small number means next.
 * Every length and distance is checked before a byte is written.
 */
import { copyWithin } from './lz4-block.ts'

/** State after a run of literals, which is more than the three that an instruction can bring. */
const RUN = 4
/** A copy from exactly here, of {@link END_LENGTH} bytes, is the end of the stream. */
const END_DISTANCE = 16_384
const END_LENGTH = 3

/**
 * Unpacks a block into `room`.
 * @returns bytes written
 * @throws RangeError naming the byte of the input, if this is not a whole block or does not fit
 */
export const unpackLzo1x = (input: Uint8Array, room: Uint8Array): number => new Lzo1x(input, room).unpack()

class Lzo1x {
  readonly #input: Uint8Array
  readonly #room: Uint8Array
  #at = 0
  #written = 0

  constructor(input: Uint8Array, room: Uint8Array) {
    this.#input = input
    this.#room = room
  }

  unpack(): number {
    let state = this.#first()
    for (;;) {
      const code = this.#byte()
      if (code < 16 && state === 0) {
        this.#literals(3 + this.#length(code, 15))
        state = RUN
        continue
      }
      const next = code < 64 ? this.#copy(code, state) : this.#nearCopy(code)
      if (next === undefined) return this.#end()
      this.#literals(next)
      state = next
    }
  }

  /** The first byte may stand for literals alone. */
  #first(): number {
    if (this.#input.length === 0 || this.#input[0] <= 17) return 0
    const count = this.#byte() - 17
    this.#literals(count)
    return Math.min(count, RUN)
  }

  /** Codes 64 to 255: up to 8 bytes, from up to 2 KiB before. */
  #nearCopy(code: number): number {
    const length = code < 128 ? 3 + ((code >>> 5) & 1) : 5 + ((code >>> 5) & 3)
    this.#match((this.#byte() << 3) + ((code >>> 2) & 7) + 1, length)
    return code & 3
  }

  /** Codes below 64. @returns literals that follow; undefined at the end of the stream */
  #copy(code: number, state: number): number | undefined {
    if (code < 16) {
      const far = state === RUN
      this.#match((this.#byte() << 2) + (code >>> 2) + (far ? 2049 : 1), far ? 3 : 2)
      return code & 3
    }
    const isFar = code < 32
    const length = 2 + (isFar ? this.#length(code & 7, 7) : this.#length(code & 31, 31))
    const word = this.#byte() | (this.#byte() << 8)
    const distance = isFar ? END_DISTANCE + ((code & 8) << 11) + (word >>> 2) : (word >>> 2) + 1
    if (isFar && distance === END_DISTANCE) {
      if (length !== END_LENGTH || (word & 3) !== 0)
        this.#refuse(`an end of ${length} bytes, wanted ${END_LENGTH}`)
      return undefined
    }
    this.#match(distance, length)
    return word & 3
  }

  /** A length of 0 goes on: 255 for each byte of 0, then a byte that is not. */
  #length(short: number, most: number): number {
    if (short !== 0) return short
    let length = most
    for (;;) {
      const more = this.#byte()
      if (more !== 0) return length + more
      length += 255
    }
  }

  #literals(count: number): void {
    const left = this.#input.length - this.#at
    if (count > left) this.#refuse(`${count} literals, but ${left} bytes are left`)
    this.#checkRoom(count)
    for (let i = 0; i < count; i++) this.#room[this.#written + i] = this.#input[this.#at + i]
    this.#at += count
    this.#written += count
  }

  #match(distance: number, length: number): void {
    if (distance > this.#written) this.#refuse(`distance ${distance} is not 1..${this.#written}`)
    this.#checkRoom(length)
    copyWithin(this.#room, this.#written, distance, length)
    this.#written += length
  }

  #checkRoom(count: number): void {
    if (count > this.#room.length - this.#written) this.#refuse(`more than ${this.#room.length} bytes`)
  }

  #byte(): number {
    if (this.#at === this.#input.length) this.#refuse('the block ends too early')
    return this.#input[this.#at++]
  }

  #end(): number {
    const left = this.#input.length - this.#at
    if (left > 0) this.#refuse(`${left} bytes follow the end`)
    return this.#written
  }

  #refuse(message: string): never {
    throw new RangeError(`lzo, byte ${this.#at}: ${message}`)
  }
}
