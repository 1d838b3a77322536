/** Changes of bytes that know nothing of any format. */
import type { Random } from '../compose/helpers/random-layer.ts'

const NUMBERS = [
  0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff
]
const LARGEST_BYTES = 1 << 18

export type Mutation = (bytes: Buffer, random: Random, other: Buffer) => Buffer

const inPlace =
  (change: (bytes: Buffer, random: Random) => void): Mutation =>
  (bytes, random) => {
    const copy = Buffer.from(bytes)
    if (copy.length > 8) change(copy, random)
    return copy
  }

const replaced = (bytes: Buffer, from: number, to: number, by: Uint8Array): Buffer =>
  Buffer.concat([bytes.subarray(0, from), by, bytes.subarray(to)])

const MUTATIONS: Mutation[] = [
  inPlace((bytes, random) => {
    bytes[random(bytes.length)] ^= 1 << random(8)
  }),
  inPlace((bytes, random) => {
    bytes[random(bytes.length)] = random(256)
  }),
  inPlace(
    (bytes, random) => void bytes.writeUInt32LE(NUMBERS[random(NUMBERS.length)], random(bytes.length - 3))
  ),
  inPlace(
    (bytes, random) =>
      void bytes.writeUInt16LE(NUMBERS[random(NUMBERS.length)] & 0xffff, random(bytes.length - 1))
  ),
  inPlace(
    (bytes, random) =>
      void bytes.writeDoubleLE([-1, 2 ** 53, 1e300, Number.NaN, 0.5][random(5)], random(bytes.length - 7))
  ),
  (bytes, random) => bytes.subarray(0, random(bytes.length + 1)),
  (bytes, random) => {
    const from = random(bytes.length + 1)
    return replaced(bytes, from, Math.min(bytes.length, from + 1 + random(16)), Buffer.alloc(0))
  },
  (bytes, random) => {
    const at = random(bytes.length + 1)
    return replaced(bytes, at, at, Buffer.alloc(1 + random(16), random(256)))
  },
  (bytes, random) => {
    const from = random(bytes.length + 1)
    const piece = bytes.subarray(from, from + 1 + random(64))
    const at = random(bytes.length + 1)
    return replaced(bytes, at, at, piece)
  },
  (bytes, random, other) => {
    const from = random(other.length + 1)
    const at = random(bytes.length + 1)
    return replaced(
      bytes,
      at,
      random(2) === 0 ? bytes.length : at,
      other.subarray(from, from + 1 + random(512))
    )
  }
]

export const withWord =
  (words: Uint8Array[]): Mutation =>
  (bytes, random) => {
    const word = words[random(words.length)]
    const at = random(bytes.length + 1)
    return replaced(bytes, at, random(2) === 0 ? at : Math.min(bytes.length, at + word.length), word)
  }

/** Some of these one after another. */
export function mutated(bytes: Buffer, random: Random, other: Buffer, more: Mutation[]): Buffer {
  let changed = bytes
  const all = [...MUTATIONS, ...more, ...more, ...more]
  for (let i = 1 + random(4); i > 0; i--) changed = all[random(all.length)](changed, random, other)
  return Buffer.from(changed.subarray(0, LARGEST_BYTES))
}
