/** Names and paths, which may hold any bytes, in DAG-JSON documents. */
import { describe, type Reader } from './fields.ts'
import { type PathBytes, pathFromBuffer, pathFromText, pathToBuffer, pathToText } from './path-bytes.ts'

/** Reads a string, or bytes: names are written as a string, and as bytes only if they are not UTF-8. */
export const pathBytes: Reader<PathBytes> = (value, field) => {
  if (typeof value === 'string') return pathFromText(value)
  if (value instanceof Uint8Array) return pathFromBuffer(value)
  return field.refuse(`found ${describe(value)}, wanted a string or bytes`)
}

/** The node that {@link pathBytes} reads back. */
export const pathNode = (path: PathBytes): string | Uint8Array => pathToText(path) ?? pathToBuffer(path)
