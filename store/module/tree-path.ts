import { type PathBytes, pathFromText, StrataError, showPath, trimEnds } from '../values/index.ts'

/** NAME_MAX and PATH_MAX of Linux. */
const LONGEST_COMPONENT_BYTES = 255
const LONGEST_PATH_BYTES = 4095
/**
 * Limit on the bytes of a module's patterns with `*` or `?`, since each path that two modules fill is compared with all
 * patterns.
 */
const MOST_PATTERN_BYTES = 8192

/**
 * Parses a path in an image, or a pattern of such paths, as a user wrote it: `/opt/vasp/` and `opt/vasp` are the same.
 * @param what named in the message: the flag, or the field of a spec
 * @returns relative to the root, no leading or trailing `/`; '' is the root
 * @throws StrataError USAGE
 */
export function parseTreePath(text: string, what: string): PathBytes {
  const path = pathFromText(trimEnds(text, '/'))
  const fault = text === '' ? 'is empty' : treePathFault(path)
  if (fault === undefined) return path
  throw new StrataError('USAGE', {
    message: `${what} "${showPath(pathFromText(text.slice(0, 300)))}" ${fault}`,
    hint: `${what} /opt/vasp`
  })
}

/** The reason why these bytes are not a canonical path in an image; undefined if they are. */
export function treePathFault(path: PathBytes): string | undefined {
  if (path === '') return undefined
  if (path.includes('\0')) return 'holds a NUL'
  if (path.length > LONGEST_PATH_BYTES)
    return `has ${path.length} bytes, wanted at most ${LONGEST_PATH_BYTES}`
  for (const component of path.split('/')) {
    if (component === '') return 'holds "//"'
    if (component === '.' || component === '..') return `holds a component "${component}"`
    if (component.length > LONGEST_COMPONENT_BYTES)
      return `has a component of ${component.length} bytes, wanted at most 255`
  }
  return undefined
}

export const hasWildcard = (path: PathBytes): boolean => /[*?]/.test(path)

/** The reason why these paths cannot be the `replaces` of one module; undefined if they can. */
export function patternsFault(paths: PathBytes[]): string | undefined {
  const bytes = paths.filter(hasWildcard).reduce((sum, pattern) => sum + pattern.length, 0)
  return bytes > MOST_PATTERN_BYTES
    ? `has ${bytes} bytes of patterns with "*" or "?", wanted at most ${MOST_PATTERN_BYTES}`
    : undefined
}
