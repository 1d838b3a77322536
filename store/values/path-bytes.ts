/**
 * Names and paths are bytes. We keep them as latin1 strings: one character a byte, nothing lost, and `<` on
 * such strings is byte order. They are decoded as UTF-8 only to be shown, and never printed raw.
 */
export type PathBytes = string

export const pathFromBuffer = (bytes: Uint8Array): PathBytes =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')

export const pathToBuffer = (path: PathBytes): Buffer => Buffer.from(path, 'latin1')

/** Converts a JavaScript (UTF-16) string, such as a user typed. */
export const pathFromText = (text: string): PathBytes => Buffer.from(text, 'utf8').toString('latin1')

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The path as text, or undefined when its bytes are not UTF-8. */
export function pathToText(path: PathBytes): string | undefined {
  try {
    return utf8.decode(pathToBuffer(path))
  } catch {
    return undefined
  }
}

const octal = (character: string): string => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`

/** Text for messages: control characters and bytes that are not UTF-8 become `\ooo`, a backslash becomes `\\`. */
export function showPath(path: PathBytes): string {
  const text = pathToText(path)
  if (text === undefined) return path.replace(/\\/g, '\\\\').replace(/[\x00-\x1f\x7f-\xff]/g, octal)
  return showText(text.replace(/\\/g, '\\\\'))
}

/** A path as `showPath` gives it, as a word that can be typed: bash reads its escapes in `$'…'`. */
export const typedPath = (shown: string): string =>
  /^[\w/.+:@%,=-]+$/.test(shown) ? shown : `$'${shown.replaceAll("'", "\\'")}'`

/**
 * C1 controls, bidirectional marks and overrides, and the separators of lines and paragraphs: they can redraw a line of a
 * terminal just as C0 controls can.
 */
const REDRAWING = /[\u0080-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

const byNumber = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

/** Escapes text for messages, which may hold parts of an input. */
export const showText = (text: string): string =>
  text.replace(/[\x00-\x1f\x7f]/g, octal).replace(REDRAWING, byNumber)

/** The same for text that is made of lines, whose parts may not have been escaped. */
export const showLines = (text: string): string =>
  text.replace(/[\x00-\x08\x0b-\x1f\x7f]/g, octal).replace(REDRAWING, byNumber)

/** The same for JSON, which has such an escape itself: what is read out of it is unchanged. */
export const showJson = (json: string): string => json.replace(/\x7f/g, byNumber).replace(REDRAWING, byNumber)
