import { hasWildcard } from '../../store/module/index.ts'
import type { PathBytes } from '../../store/values/index.ts'

/**
 * Makes a test for paths that a record's `replaces` covers: a pattern covers a path and all below it. `*` matches any
 * bytes except `/`, `**` any bytes, `?` one byte except `/` (spec/module.md#replaces).
 *
 * Patterns come from other people, so a pattern must not cost more than its length per byte of a path. A regular
 * expression for `**a**a**a` would try every way to divide a path among its stars.
 */
export function replacesMatcher(patterns: PathBytes[]): ((path: PathBytes) => boolean) | undefined {
  if (patterns.length === 0) return undefined
  const covers = pathsMatcher(patterns.filter(pattern => !hasWildcard(pattern)))
  const wild = patterns.filter(hasWildcard)
  const matches = wild.length === 0 ? () => false : patternsMatcher(wild)
  return path => covers(path) || matches(path)
}

/** Plain paths, sorted, none below another. So only the last one that does not sort after a path can cover it. */
function pathsMatcher(paths: PathBytes[]): (path: PathBytes) => boolean {
  const folders: string[] = []
  for (const folder of paths.map(asFolder).sort(byteOrder))
    if (folders.length === 0 || !folder.startsWith(folders.at(-1)!)) folders.push(folder)
  return path => {
    const folder = asFolder(path)
    let low = 0
    let high = folders.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (folders[middle]! <= folder) low = middle + 1
      else high = middle
    }
    return low > 0 && folder.startsWith(folders[low - 1]!)
  }
}

const asFolder = (path: PathBytes): string => `${path}/`
const byteOrder = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const SLASH = 0x2f
const BYTE_VALUES = 256

/**
 * Matches all patterns at once, with one bit for each position in each of them. A bit is set while the bytes read so
 * far match the pattern up to this position. A star has no position of its own; it keeps the bit of its position set.
 */
function patternsMatcher(patterns: PathBytes[]): (path: PathBytes) => boolean {
  const positions = compilePatterns(patterns)
  return path => {
    let before = positions.starts.slice()
    let after = new Uint32Array(before.length)
    for (let at = 0; at < path.length; at++) {
      const byte = path.charCodeAt(at)
      if (byte === SLASH && meets(before, positions.ends)) return true
      if (!readByte(positions, byte, before, after)) return false
      ;[before, after] = [after, before]
    }
    return meets(before, positions.ends)
  }
}

/** Sets of positions, one bit for each position in all patterns. */
interface Positions {
  starts: Uint32Array
  ends: Uint32Array
  /** Positions that stay set with every byte, because `**` follows. */
  staysOnAny: Uint32Array
  /** Positions that stay set with every byte except `/`, because `*` follows. */
  staysOnName: Uint32Array
  /** Positions behind a `?`, which every byte except `/` reaches. */
  movesOnAny: Uint32Array
  /** By byte value: positions behind this byte. */
  movesOn: Uint32Array[]
}

function compilePatterns(patterns: PathBytes[]): Positions {
  const tokens = patterns.map(pattern => pattern.match(/\*\*|./gs) ?? [])
  const count = tokens.reduce((sum, list) => sum + 1 + list.filter(token => !token.startsWith('*')).length, 0)
  const none = new Uint32Array(Math.ceil(count / 32))
  const [starts, ends, staysOnAny, staysOnName, movesOnAny] = Array.from({ length: 5 }, () => none.slice())
  const movesOn = new Array<Uint32Array>(BYTE_VALUES).fill(none)
  let position = 0
  for (const list of tokens) {
    set(starts, position)
    for (const token of list) {
      if (token === '**') set(staysOnAny, position)
      else if (token === '*') set(staysOnName, position)
      else if (token === '?') set(movesOnAny, ++position)
      else {
        const byte = token.charCodeAt(0)
        if (movesOn[byte] === none) movesOn[byte] = none.slice()
        set(movesOn[byte], ++position)
      }
    }
    set(ends, position++)
  }
  return { starts, ends, staysOnAny, staysOnName, movesOnAny, movesOn }
}

/** Puts the positions that the next byte reaches into `after`. @returns false if there are none */
function readByte(positions: Positions, byte: number, before: Uint32Array, after: Uint32Array): boolean {
  const { staysOnAny, staysOnName, movesOnAny } = positions
  const moves = positions.movesOn[byte]
  const isSlash = byte === SLASH
  let carry = 0
  let alive = 0
  for (let word = 0; word < before.length; word++) {
    const bits = before[word]
    const moved = ((bits << 1) | carry) & (isSlash ? moves[word] : moves[word] | movesOnAny[word])
    const stays = isSlash ? staysOnAny[word] : staysOnAny[word] | staysOnName[word]
    carry = bits >>> 31
    after[word] = moved | (bits & stays)
    alive |= after[word]
  }
  return alive !== 0
}

function set(positions: Uint32Array, position: number): void {
  positions[position >> 5] |= 1 << (position & 31)
}

const meets = (positions: Uint32Array, others: Uint32Array): boolean =>
  positions.some((word, index) => (word & others[index]) !== 0)
