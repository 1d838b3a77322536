import type { ErrorDetails, Facts } from './errors.ts'
import { type PathBytes, showPath } from './path-bytes.ts'

/** A place in the user's input, for messages. */
export interface Place {
  /** File or archive as the user named it, already fit to print. */
  source: string
  /** Counted from 1. */
  line?: number
  /** Archive member, or the path that a line of a listing is about. */
  member?: PathBytes
}

/** `layer.acl, line 12`; `base.tar, member opt/x`. */
export function showPlace({ source, line, member }: Place): string {
  if (line !== undefined) return `${source}, line ${line}`
  return member === undefined ? source : `${source}, member ${showPath(member) || '.'}`
}

/** A message that begins with its place, and the place as facts too. */
export function detailsAt(place: Place, message: string, facts: Facts = {}): ErrorDetails & { facts: Facts } {
  return {
    message: `${showPlace(place)}: ${message}`,
    facts: {
      file: place.source,
      ...(place.line === undefined ? {} : { line: place.line }),
      ...(place.member === undefined ? {} : { path: showPath(place.member) || '.' }),
      ...facts
    }
  }
}
