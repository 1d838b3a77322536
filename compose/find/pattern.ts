import { StrataError } from '../../store/errors.ts'
import { pathFromText, showPath } from '../../store/path-bytes.ts'

/** Whether a name is meant by what was typed. */
export type Matcher = (name: string) => boolean

/**
 * Names that hold one of the words, in upper or lower case, as Lmod finds them; all when there are no words.
 * @param regexp the words are regular expressions of JavaScript, and case counts
 * @throws StrataError USAGE for what is no regular expression
 */
export function matcherOf(words: string[], { regexp = false }: { regexp?: boolean } = {}): Matcher {
  if (words.length === 0) return () => true
  if (regexp) {
    const expressions = words.map(parseExpression)
    return name => expressions.some(expression => expression.test(name))
  }
  const wanted = words.map(word => word.toLowerCase())
  return name => {
    const lower = name.toLowerCase()
    return wanted.some(word => lower.includes(word))
  }
}

function parseExpression(word: string): RegExp {
  try {
    return new RegExp(word, 'u')
  } catch (cause) {
    throw new StrataError('USAGE', {
      message: `"${showPath(pathFromText(word))}" is no regular expression`,
      hint: "compose avail -r '^mpi/'",
      cause
    })
  }
}
