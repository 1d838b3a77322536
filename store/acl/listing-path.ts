import {
  detailsAt,
  type ErrorCode,
  type PathBytes,
  type Place,
  StrataError,
  showPath
} from '../values/index.ts'
import { type EscapeForms, unescapeBytes } from './escape.ts'

/**
 * The path on a `# file:` line, relative to the root of the layer: no leading `/` or `./`, no trailing `/`, no empty or
 * `.` components; '' is the root itself.
 * @param escaped the text after `# file: `, with every blank: setfacl drops leading ones, getfacl writes them
 * @throws StrataError `code`: a `..` component, a NUL byte, an unknown escape, no path
 */
export function listingPath(escaped: string, forms: EscapeForms, code: ErrorCode, where: Place): PathBytes {
  const fail = (message: string) =>
    new StrataError(code, detailsAt(where, message, { text: showPath(escaped) }))
  const path = unescapeBytes(escaped, forms)
  if (path === undefined) throw fail('a backslash that begins no \\ooo; write \\134 for a backslash')
  if (path === '') throw fail('no path after "# file:"')
  if (path.includes('\0')) throw fail('a NUL byte in a path')
  const components = path.split('/').filter(component => component !== '' && component !== '.')
  if (components.includes('..')) throw fail('a path with ".." in it')
  return components.join('/')
}
