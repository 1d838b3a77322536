/** Values in documents of --json that plain text cannot express (spec/json.md). */
import { Kind } from '../../store/object/index.ts'
import {
  type PathBytes,
  pathFromBuffer,
  pathToBuffer,
  pathToText,
  showPath
} from '../../store/values/index.ts'

export interface PathJson {
  path: string
  pathBase64?: string
}

/** A path from the root of a tree. Where the text has escapes, the bytes are given as well. */
export const pathJson = (path: PathBytes): PathJson => {
  const { text, base64 } = bytesJson(path)
  return { path: `/${text}`, ...(base64 !== undefined && { pathBase64: base64 }) }
}

/** Base64 holds the exact bytes, and is present only where the text is not enough. */
export function bytesJson(bytes: PathBytes): { text: string; base64?: string } {
  const text = showPath(bytes)
  return text === pathToText(bytes) ? { text } : { text, base64: pathToBuffer(bytes).toString('base64') }
}

/** Content of a file: text, or base64 where it is not UTF-8. */
export function contentJson(bytes: Uint8Array): { text: string } | { base64: string } {
  const text = pathToText(pathFromBuffer(bytes))
  return text === undefined ? { base64: Buffer.from(bytes).toString('base64') } : { text }
}

/** `0755`, with set-id bits `4755`. */
export const modeJson = (mode: number): string => mode.toString(8).padStart(4, '0')

const KIND_NAMES: Record<number, string> = Object.fromEntries(
  Object.entries(Kind).map(([name, kind]) => [kind, name])
)

/** `r-x` */
export const rightsJson = (rights: number): string =>
  [...'rwx'].map((letter, i) => (rights & (4 >> i) ? letter : '-')).join('')

/** `file`, `directory`, `symlink`, … */
export const kindJson = (kind: number): string => KIND_NAMES[kind]
