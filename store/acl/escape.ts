import type { PathBytes } from '../values/index.ts'

/**
 * Backslash escapes of getfacl and getfattr (quote.c and unquote.c of acl 2.3.1 and attr 2.5.1): `\ooo` is a byte in
 * three octal digits. Each form below lists the characters that may also follow a backslash as themselves.
 */

export interface EscapeForms {
  /** Characters that stand for themselves after a backslash. */
  plain: string
}

/** Paths and account names; getfacl writes a backslash doubled. */
export const GETFACL_NAMES: EscapeForms = { plain: '\\' }

/** Paths and attribute names; getfattr writes a backslash as `\134`, and setfattr reads a doubled one as two. */
export const GETFATTR_NAMES: EscapeForms = { plain: '' }

/** Between the double quotes of a text value. */
export const GETFATTR_VALUES: EscapeForms = { plain: '\\"' }

/** The unescaped bytes; undefined if a backslash begins none of the known forms. */
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

/**
 * Escapes each character that `awkward` (a global pattern) matches: doubled or with a backslash if `plain` has it, else
 * in octal.
 */
export const escapeBytes = (bytes: PathBytes, awkward: RegExp, { plain }: EscapeForms): string =>
  bytes.replace(awkward, c => `\\${plain.includes(c) ? c : c.charCodeAt(0).toString(8).padStart(3, '0')}`)
