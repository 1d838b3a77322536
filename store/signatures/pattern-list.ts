/** Patterns as OpenSSH matches them (ssh_config(5), PATTERNS): `*`, `?`, commas between, `!` negates. */

/** OpenSSH matches nothing with a longer pattern. */
const LONGEST_PATTERN = 1022

/** True if a pattern of the list matches and none that is negated does. */
export function matchesPatternList(text: string, list: string): boolean {
  let isMatched = false
  for (const { pattern, isNegated } of splitPatterns(list)) {
    if (pattern.length > LONGEST_PATTERN) return false
    if (!matchesPattern(text, pattern)) continue
    if (isNegated) return false
    isMatched = true
  }
  return isMatched
}

export interface Pattern {
  pattern: string
  isNegated: boolean
}

/** An empty list has no pattern, and neither has the place behind a comma at the end. */
export function splitPatterns(list: string): Pattern[] {
  const parts = list.split(',')
  if (parts.at(-1) === '') parts.pop()
  return parts.map(part => ({ pattern: part.replace(/^!/, ''), isNegated: part.startsWith('!') }))
}

export const isLiteral = (pattern: string): boolean => !/[*?]/.test(pattern)

/**
 * Each `*` takes as little as possible; a mismatch makes the last one take one character more. Earlier ones never have
 * to be tried again, so the time is at most the product of both lengths.
 */
export function matchesPattern(text: string, pattern: string): boolean {
  let [at, in_] = [0, 0]
  let [star, tried] = [-1, 0]
  while (at < text.length) {
    if (in_ < pattern.length && pattern[in_] === '*') {
      star = in_++
      tried = at
    } else if (in_ < pattern.length && (pattern[in_] === '?' || pattern[in_] === text[at])) {
      at++
      in_++
    } else if (star >= 0) {
      in_ = star + 1
      at = ++tried
    } else return false
  }
  while (in_ < pattern.length && pattern[in_] === '*') in_++
  return in_ === pattern.length
}
