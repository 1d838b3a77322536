/**
 * Lmod's order of versions: users know which version `module load` takes as the highest, and ours must be the same.
 * After `parseVersion` of Lmod 8.6.19 (libexec/parseVersion.lua, MIT licence): a version becomes a key whose byte order
 * is the order of versions. Digits are padded to nine, words before `final` (a, beta, rc …) make a pre-release, `-` and
 * `p` a patch level, and zeros that change nothing are dropped:
 *
 *   2.4dev1 < 2.4a1 < 2.4beta2 < 2.4rc1 < 2.4 < 2.4-1 < 2.4.0.0.1 < 2.4.1
 *
 * As in Lmod, runs of more than nine digits compare as text.
 */

const FINAL = '*zfinal'
const PATCH = '*zfinal-'
const ZERO = '000000000'

/** Words and signs with the same meaning as others. */
const SAME_AS: Record<string, string> = {
  pre: 'c',
  preview: 'c',
  rc: 'c',
  dev: '@',
  p: 'zfinal-',
  '-': 'zfinal-',
  '-p': 'zfinal-'
}

/** A number, a word, `-p`, or a single sign; a dot before one of them only separates. No version ends in a dot. */
const PART = /\.?(?:([0-9]+)|([a-z]+|-p|[_+-]))/g

/** Key of a version (in the grammar of name.ts): `<` on keys is the order of versions. */
export function versionKey(version: string): string {
  const parts: string[] = []
  for (const part of versionParts(version.toLowerCase())) {
    if (part.startsWith('*')) dropEmpty(parts, part)
    parts.push(part)
  }
  return parts.join('.')
}

function* versionParts(version: string): Generator<string> {
  for (const [, digits, word] of version.matchAll(PART)) {
    if (digits !== undefined) yield digits.replace(/^0+/, '').padStart(ZERO.length, '0')
    else yield `*${Object.hasOwn(SAME_AS, word) ? SAME_AS[word] : word}`
  }
  yield FINAL
}

/** Drops parts without meaning before a word or the end: a dash before a word, zeros at the end of a series, `-0`. */
function dropEmpty(parts: string[], next: string): void {
  if (next !== FINAL) dropTrailing(parts, PATCH)
  dropTrailing(parts, ZERO)
  if (next === FINAL) dropTrailing(parts, PATCH)
}

function dropTrailing(parts: string[], part: string): void {
  while (parts.at(-1) === part) parts.pop()
}

/**
 * Comparison for `sort`: negative if `a` is the lower version. Versions that Lmod takes as equal (`2.4` and `2.4.0`)
 * are ordered by their bytes, so that the order never depends on the order of reading.
 */
export function compareVersions(a: string, b: string): number {
  const [keyA, keyB] = [versionKey(a), versionKey(b)]
  if (keyA !== keyB) return keyA < keyB ? -1 : 1
  if (a === b) return 0
  return a < b ? -1 : 1
}
