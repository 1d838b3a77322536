import { pathFromText, StrataError, showPath } from '../../store/values/index.ts'

/** True if the typed words match a name. */
export type Matcher = (name: string) => boolean

/**
 * Matches names that contain one of the words, in upper or lower case, as Lmod does; without words, all names. If a
 * word of letters begins or ends a part of some names, only these match: `mpi` does not match `compiler`.
 * @param among all names, to find such better matches
 * @param regexp the words are regular expressions of RE2, and case counts
 * @throws StrataError USAGE for an invalid regular expression
 */
export async function matcherOf(
  words: string[],
  { regexp = false, among = [] }: { regexp?: boolean; among?: Iterable<string> } = {}
): Promise<Matcher> {
  if (words.length === 0) return () => true
  if (regexp) return expressionsMatcher(words)
  const lowered = [...among].map(name => name.toLowerCase())
  const finders = words.map(word => finderOf(word.toLowerCase(), lowered))
  return name => {
    const lower = name.toLowerCase()
    return finders.some(finds => finds(lower))
  }
}

function finderOf(word: string, names: string[]): Matcher {
  const holds: Matcher = name => name.includes(word)
  if (!/^[a-z]+$/.test(word)) return holds
  const borders: Matcher = name => bordersPart(name, word)
  return names.some(borders) ? borders : holds
}

/** True if the word stands in the name with no letter before it, or none after it. */
function bordersPart(name: string, word: string): boolean {
  for (let at = name.indexOf(word); at >= 0; at = name.indexOf(word, at + 1))
    if (!isLetter(name[at - 1]) || !isLetter(name[at + word.length])) return true
  return false
}

const isLetter = (character: string | undefined): boolean =>
  character !== undefined && character >= 'a' && character <= 'z'

/** RE2 reads each text once. V8 could take exponential time for a pattern like `(a+)+$` on texts of publishers. */
async function expressionsMatcher(words: string[]): Promise<Matcher> {
  const { RE2JS } = await import('re2js') // 20 ms, which only a search with -r should pay
  const expressions = words.map(word => {
    try {
      return RE2JS.compile(word)
    } catch (cause) {
      throw new StrataError('USAGE', {
        message: `"${showPath(pathFromText(word))}" is not a regular expression: ${(cause as Error).message}`,
        hint: "compose avail -r '^mpi/'",
        cause
      })
    }
  })
  return name => expressions.some(expression => expression.test(name))
}
