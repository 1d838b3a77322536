import { pathFromText, StrataError, showPath } from '../values/index.ts'

/**
 * Checks text that people write and others see, on terminals and in images. Control characters could redraw a terminal
 * and break a file, and half a surrogate pair cannot be written as UTF-8.
 */

export const LONGEST_LINE = 1024
export const LONGEST_TEXT = 65_536

/** C0 and C1 controls but newline and tab, line and paragraph separators, bidirectional overrides, lone surrogates. */
const UNPRINTABLE =
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]|\p{Surrogate}/u

/**
 * Checks that the text is one line and not empty.
 * @param what named in the message: the flag, or the field
 * @throws StrataError USAGE
 */
export function checkLine(text: string, what: string): string {
  if (/[\n\t]/.test(text)) throw badText(text, what, 'holds a line break or tab, wanted one line')
  return checkText(text, what, LONGEST_LINE)
}

/**
 * Checks that the text is one or more lines and not empty.
 * @param longest characters
 * @throws StrataError USAGE
 */
export function checkText(text: string, what: string, longest = LONGEST_TEXT): string {
  if (text.trim() === '') throw badText(text, what, 'is empty')
  if (text.length > longest)
    throw badText(text, what, `has ${text.length} characters, wanted at most ${longest}`)
  const odd = unprintableIn(text)
  if (odd === undefined) return text
  throw badText(text, what, `holds the character ${odd.name}, which is not text`)
}

export interface Unprintable {
  /** Characters before it. */
  index: number
  character: string
  /** As `U+001B`. */
  name: string
}

/** The first character that no text of a record may have. */
export function unprintableIn(text: string): Unprintable | undefined {
  const odd = UNPRINTABLE.exec(text)
  if (odd === null) return undefined
  const point = text.codePointAt(odd.index)!.toString(16).toUpperCase().padStart(4, '0')
  return { index: [...text.slice(0, odd.index)].length, character: odd[0], name: `U+${point}` }
}

const badText = (text: string, what: string, fault: string): StrataError =>
  new StrataError('USAGE', { message: `${what} "${showPath(pathFromText(text.slice(0, 80)))}" ${fault}` })
