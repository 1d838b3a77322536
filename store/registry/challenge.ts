/** The header WWW-Authenticate: how a registry wants to be asked (RFC 9110, section 11.6.1). */

export interface Challenge {
  /** Lower case: `bearer`, `basic`. */
  scheme: string
  /** Names in lower case. */
  parameters: ReadonlyMap<string, string>
}

const LONGEST_HEADER = 16 << 10

/**
 * All challenges of a header. What cannot be read ends the list, so that a strange scheme behind a usual one does no harm.
 * @param header several headers of the name are joined by `, `
 */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = []
  const text = header.slice(0, LONGEST_HEADER)
  let parameters: Map<string, string> | undefined
  for (let at = 0; at < text.length; ) {
    const [blank] = match(/[\s,]*/y, text, at)!
    at += blank.length
    const parameter = match(/([\w.~+-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/y, text, at)
    if (parameter !== undefined && parameters !== undefined) {
      const [whole, name, quoted, plain] = parameter
      parameters.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? plain)
      at += whole.length
      continue
    }
    const scheme = match(/[A-Za-z][\w-]*/y, text, at)
    if (scheme === undefined) break
    parameters = new Map()
    challenges.push({ scheme: scheme[0].toLowerCase(), parameters })
    at += scheme[0].length
  }
  return challenges
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at
  return pattern.exec(text) ?? undefined
}
