/** Lines of `%files`: what is copied, and where to (spec/definitions.md#files). */
import { refuseAt, type Section } from './parse-definition.ts'
import type { StageValues } from './stage-values.ts'

export interface FileLine {
  source: string
  /** Path in the tree. */
  target: string
  line: number
}

/** @throws StrataError DEFINITION_INVALID */
export function fileLines({ body }: Pick<Section, 'body'>, values: StageValues, file: string): FileLine[] {
  return body.flatMap(({ text, line }): FileLine[] => {
    if (/^\s*(#.*)?$/.test(text)) return []
    const words = wordsOf(text).map(word => values.fill(word, line))
    if (words.length > 2)
      refuseAt(file, line, `${words.length} words, wanted SOURCE [TARGET]`, 'quote names with blanks')
    const [source, target = source] = words
    return [{ source, target, line }]
  })
}

const PIECE = /"([^"]*)"|'([^']*)'|(\{\{[^}]*\}\})|\\([\s\S])|[\s\S]/gy

/** Blanks separate words, except in quotes and in braces of a variable. */
function wordsOf(text: string): string[] {
  const words: string[] = []
  let isBetween = true
  for (const [piece, double, single, variable, escaped] of text.matchAll(PIECE)) {
    const isBlank = piece.trim() === ''
    if (!isBlank) {
      if (isBetween) words.push('')
      const isPlainEscape = escaped !== undefined && escaped.trim() !== ''
      words[words.length - 1] += isPlainEscape ? piece : (double ?? single ?? variable ?? escaped ?? piece)
    }
    isBetween = isBlank
  }
  return words
}
