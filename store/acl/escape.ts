import type { PathBytes } from '../path-bytes.ts'

/**
 * Backslash escapes of getfacl and getfattr (quote.c and unquote.c in the acl and attr packages). Both write an
 * awkward byte as three octal digits, the backslash itself as `\134`, and nothing else.
 */

export interface EscapeForms {
  /** Characters that stand for themselves after a backslash. */
  plain: string
}

/** setfacl reads `\\` as one backslash, which older versions of getfacl wrote. */
export const GETFACL_NAMES: EscapeForms = { plain: '\\' }

/** setfattr reads `\\` in a name as two backslashes; no getfattr writes it, so it is refused as ambiguous. */
export const GETFATTR_NAMES: EscapeForms = { plain: '' }

/** Between the double quotes of a text value. */
export const GETFATTR_VALUES: EscapeForms = { plain: '\\"' }

/** The bytes meant, or undefined where a backslash begins none of the known forms. */
export function unescapeBytes(text: string, { plain }: EscapeForms): PathBytes | undefined {
  if (!text.includes('\\')) return text
  let bytes = ''
  let from = 0
  for (let at = text.indexOf('\\'); at >= 0; at = text.indexOf('\\', from)) {
    const octal = /^[0-3][0-7]{2}/.exec(text.slice(at + 1, at + 4))?.[0]
    const next = text.slice(at + 1, at + 2)
    if (octal === undefined && (next === '' || !plain.includes(next))) return undefined
    bytes +=
      text.slice(from, at) + (octal === undefined ? next : String.fromCharCode(Number.parseInt(octal, 8)))
    from = at + 1 + (octal ?? next).length
  }
  return bytes + text.slice(from)
}

/** `\ooo` for each character that `awkward` (a global pattern) matches. */
export const escapeBytes = (bytes: PathBytes, awkward: RegExp): string =>
  bytes.replace(awkward, c => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`)
