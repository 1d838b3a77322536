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
  const tokens = patterns.map(pattern => pattern.match(/\*\*|./gs) ?? [])
  const places = tokens.reduce(
    (sum, list) => sum + 1 + list.filter(token => !token.startsWith('*')).length,
    0
  )
  const words = Math.ceil(places / 32)
  const table = () => new Uint32Array(words)
  const [starts, ends, staysOnAny, staysOnName, movesOnAny] = [table(), table(), table(), table(), table()]
  const movesOn = Array.from({ length: BYTE_VALUES }, () => undefined as Uint32Array | undefined)
  const set = (bits: Uint32Array, place: number) => {
    bits[place >> 5]! |= 1 << (place & 31)
  }
  let place = 0
  for (const list of tokens) {
    set(starts, place)
    for (const token of list) {
      if (token === '**') set(staysOnAny, place)
      else if (token === '*') set(staysOnName, place)
      else if (token === '?') set(movesOnAny, ++place)
      else {
        const byte = token.charCodeAt(0)
        movesOn[byte] ??= table()
        set(movesOn[byte], ++place)
      }
    }
    set(ends, place++)
  }
  const noMoves = table()
  const meets = (bits: Uint32Array) => bits.some((word, index) => (word & ends[index]!) !== 0)
  return path => {
    let before = starts.slice()
    let after = table()
    for (let at = 0; at < path.length; at++) {
      const byte = path.charCodeAt(at)
      const isSlash = byte === SLASH
      if (isSlash && meets(before)) return true
      const moves = movesOn[byte] ?? noMoves
      let carry = 0
      let alive = 0
      for (let index = 0; index < words; index++) {
        const bits = before[index]!
        const moved = ((bits << 1) | carry) & (isSlash ? moves[index]! : moves[index]! | movesOnAny[index]!)
        const stays = isSlash ? staysOnAny[index]! : staysOnAny[index]! | staysOnName[index]!
        carry = bits >>> 31
        after[index] = moved | (bits & stays)
        alive |= after[index]!
      }
      if (alive === 0) return false
      ;[before, after] = [after, before]
    }
    return meets(before)
  }
}
