import type { Random } from '../../compose/helpers/random-layer.ts'

export const pick = <T>(random: Random, list: readonly T[]): T => list[random(list.length)]

/** Values at which integers of some width turn over. */
export const EDGES = [
  0, 1, 2, 3, 7, 8, 0x7f, 0x80, 0xff, 0x1ff, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000,
  0xfffffffe, 0xffffffff
] as const

/** A number in [from, to) becomes one at which integers turn over. */
export const changedNumber = (bytes: Buffer, random: Random, from: number, to: number): Buffer => {
  const copy = Buffer.from(bytes)
  const end = Math.min(to, copy.length) - 8
  if (end <= from) return copy
  const at = from + random(end - from)
  if (random(2) === 0) copy.writeUInt32LE(pick(random, EDGES), at)
  else copy.writeBigUInt64LE(BigInt(pick(random, EDGES)) << BigInt(random(33)), at)
  return copy
}

/** Text in which one line, word or number becomes another one. */
export function changedText(bytes: Buffer, random: Random, words: readonly string[]): Buffer {
  const text = bytes.toString('latin1')
  const lines = text.split('\n')
  const at = random(lines.length)
  switch (random(5)) {
    case 0:
      lines.splice(at, 0, lines[random(lines.length)])
      break
    case 1:
      lines.splice(at, 1)
      break
    case 2:
      lines[at] = lines[at].replace(/[A-Za-z0-9_.+-]+/, () => pick(random, words))
      break
    case 3:
      lines[at] = `${lines[at].slice(0, random(lines[at].length + 1))}${pick(random, words)}`
      break
    default:
      lines[at] = lines[at].replace(/\d+/, () => String(pick(random, EDGES) * (random(3) - 1)))
  }
  return Buffer.from(lines.join('\n'), 'latin1')
}

/** JSON in which one value becomes another one, and what is no JSON any more is left to others. */
export function changedJson(bytes: Buffer, random: Random, values: readonly unknown[]): Buffer {
  let root: unknown
  try {
    root = JSON.parse(bytes.toString('utf8'))
  } catch {
    return bytes
  }
  const places: [holder: Record<string, unknown>, key: string][] = []
  const visit = (value: unknown) => {
    if (typeof value !== 'object' || value === null) return
    for (const key of Object.keys(value)) {
      places.push([value as Record<string, unknown>, key])
      visit((value as Record<string, unknown>)[key])
    }
  }
  visit(root)
  if (places.length === 0) return bytes
  const [holder, key] = pick(random, places)
  const [otherHolder, otherKey] = pick(random, places)
  switch (random(4)) {
    case 0:
      delete holder[key]
      break
    case 1:
      holder[key] = pick(random, values)
      break
    case 2:
      holder[key] = structuredClone(otherHolder[otherKey])
      break
    default:
      holder[String(pick(random, values))] = holder[key]
  }
  return Buffer.from(JSON.stringify(root))
}

export const ODD_VALUES: readonly unknown[] = [
  null,
  true,
  false,
  -1,
  0,
  1,
  2 ** 32,
  2 ** 53,
  0.5,
  '',
  'x',
  '../x',
  '\u001b[2J',
  '\u202e',
  [],
  {},
  [[]],
  'user::rwx'
]
