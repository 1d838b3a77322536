/**
 * One LZ4 block, as the format's description has it (lz4_Block_format.md of github.com/lz4/lz4): sequences of literals and
 * a copy of bytes that were written before. Every length and distance is checked before a byte is written.
 */

const MIN_MATCH = 4

/**
 * Unpacks a block into `room`.
 * @returns bytes written
 * @throws RangeError naming the byte of the input, if this is not a whole block or does not fit
 */
export function unpackLz4(input: Uint8Array, room: Uint8Array): number {
  let at = 0
  let written = 0
  /** A length of 15 goes on in bytes that are added to it, up to one that is not 255. */
  const lengthFrom = (nibble: number): number => {
    let length = nibble
    if (nibble < 15) return length
    for (;;) {
      if (at === input.length) throw new RangeError(`lz4, byte ${at}: the block ends inside a length`)
      const more = input[at++]
      length += more
      if (more !== 255) return length
    }
  }
  for (;;) {
    if (at === input.length) throw new RangeError(`lz4, byte ${at}: the block ends before its last literals`)
    const token = input[at++]
    const literals = lengthFrom(token >>> 4)
    if (literals > input.length - at)
      throw new RangeError(`lz4, byte ${at}: ${literals} literals, but ${input.length - at} bytes are left`)
    if (literals > room.length - written)
      throw new RangeError(`lz4, byte ${at}: more than ${room.length} bytes`)
    room.set(input.subarray(at, at + literals), written)
    at += literals
    written += literals
    if (at === input.length) return written
    if (at + 2 > input.length) throw new RangeError(`lz4, byte ${at}: the block ends inside a distance`)
    const distance = input[at] | (input[at + 1] << 8)
    if (distance === 0 || distance > written)
      throw new RangeError(`lz4, byte ${at}: distance ${distance} is not 1..${written}`)
    at += 2
    const length = lengthFrom(token & 15) + MIN_MATCH
    if (length > room.length - written)
      throw new RangeError(`lz4, byte ${at}: more than ${room.length} bytes`)
    copyWithin(room, written, distance, length)
    written += length
  }
}

/** Copies what stands `distance` bytes before; where the copy runs into itself, it repeats. */
export function copyWithin(room: Uint8Array, to: number, distance: number, length: number): void {
  if (distance >= length && length > 32) room.copyWithin(to, to - distance, to - distance + length)
  else if (distance === 1) room.fill(room[to - 1], to, to + length)
  else for (let i = 0; i < length; i++) room[to + i] = room[to - distance + i]
}
