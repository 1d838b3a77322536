import { pathFromText, StrataError, showPath } from '../../store/values/index.ts'

/** Whether a name is meant by what was typed. */
export type Matcher = (name: string) => boolean

/**
 * Names that hold one of the words, in upper or lower case, as Lmod finds them; all when there are no words. Of a word of
 * letters, those that begin or end a part of a name come alone where there are any: `mpi` means no `compiler`.
 * @param among all names, where some are to be preferred
 * @param regexp the words are regular expressions of RE2, and case counts
 * @throws StrataError USAGE for what is no regular expression
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

/** Whether the word stands in the name with no letter before it, or none behind it. */
function bordersPart(name: string, word: string): boolean {
  for (let at = name.indexOf(word); at >= 0; at = name.indexOf(word, at + 1))
    if (!isLetter(name[at - 1]) || !isLetter(name[at + word.length])) return true
  return false
}

const isLetter = (character: string | undefined): boolean =>
  character !== undefined && character >= 'a' && character <= 'z'

/** RE2 reads each text once; V8 would try `(a+)+$` in exponentially many ways on what publishers wrote. */
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
