import type { CST, Document, Node } from 'yaml'
import { type ErrorCode, pathFromText, StrataError, showPath } from '../values/index.ts'

/**
 * Parses the text of a spec file into a plain value that still knows the position of each part. YAML 1.2, core schema:
 * no dates, no octal surprises, `no` is a string. Hostile text is refused and not expanded: size, nesting and aliases
 * are limited.
 */

export const LARGEST_SPEC_BYTES = 1 << 20

/** Limit on nested collections. The schema needs 4; the stack of a recursive parser ends at some thousands. */
const DEEPEST = 64

/** Limit on repetitions of anchored nodes in a file, against alias bombs. */
const MOST_ALIASED = 100

/** Limit on values, commas, anchors and comments: some thousand lines. Describing a million faulty ones takes minutes. */
const MOST_TOKENS = 20_000

const MOST_SHOWN = 50

/** From the root to a value: keys of mappings and indices of lists. */
export type SpecPath = (string | number)[]

/** A fault in a spec, and its place. */
export interface SpecFault {
  /** Counted from 1. */
  line: number
  column: number
  message: string
}

export interface SpecText {
  value: unknown
  /** Position of a value or of its key; if it does not exist, of the innermost part that does. */
  position(path: SpecPath, part: 'key' | 'value'): { line: number; column: number }
}

/** Throws the error for the faults of a file. */
export type RefuseText = (file: string, faults: SpecFault[]) => never

/** @throws StrataError SPEC_INVALID always */
export const refuseSpec: RefuseText = (file, faults) =>
  refuseText(file, faults, { code: 'SPEC_INVALID', hint: 'spec/module.schema.json describes every field' })

/** @throws StrataError `code` always: one message for all faults, in the order of the file */
export function refuseText(
  file: string,
  faults: SpecFault[],
  { code, hint }: { code: ErrorCode; hint: string }
): never {
  const sorted = [...faults].sort((a, b) => a.line - b.line || a.column - b.column)
  const lines = sorted.map(({ line, column, message }) => `${file}:${line}:${column}: ${message}`)
  const more = lines.length > MOST_SHOWN ? [`and ${lines.length - MOST_SHOWN} more`] : []
  const isOne = lines.length === 1
  throw new StrataError(code, {
    message: isOne ? lines[0] : `${file} has ${lines.length} faults`,
    facts: isOne ? { file } : { file, faults: [...lines.slice(0, MOST_SHOWN), ...more] },
    hint
  })
}

/**
 * @param file named in messages
 * @param refuse throws the error for faults
 * @throws StrataError SPEC_INVALID, or the error of `refuse`
 */
export async function parseSpecText(
  bytes: Uint8Array,
  file: string,
  refuse: RefuseText = refuseSpec
): Promise<SpecText> {
  const text = decodeText(bytes, file, refuse)
  const yaml = await import('yaml') // 70 ms, which only an import with --spec should pay
  const lines = new yaml.LineCounter()
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return { line, column: col }
  }
  const tokens = [...new yaml.Parser(lines.addNewLine).parse(text)]
  const tangle = tangleFault(tokens)
  if (tangle !== undefined) refuse(file, [{ line: 1, column: 1, message: tangle }])
  const documents = [...new yaml.Composer(YAML_OPTIONS).compose(tokens)]
  const faults = documents.flatMap(document => documentFaults(yaml, document, at))
  for (const second of documents.slice(1, 2)) {
    faults.push({ ...at(second.range[0]), message: `found ${documents.length} documents, wanted one` })
  }
  if (faults.length > 0) refuse(file, faults)
  const document = documents.at(0)
  return {
    value: document === undefined ? null : plainValue(document, file, refuse),
    position: (path, part) => at(document === undefined ? 0 : offsetOf(yaml, document, path, part))
  }
}

/** All options are given, because a `%YAML 1.1` line would change the defaults. */
const YAML_OPTIONS = {
  version: '1.2',
  schema: 'core',
  merge: false,
  resolveKnownTags: false,
  stringKeys: true,
  strict: true,
  prettyErrors: false,
  uniqueKeys: false // its check is quadratic: documentFaults does it
} as const

function decodeText(bytes: Uint8Array, file: string, refuseText: RefuseText): string {
  const refuse = (message: string) => refuseText(file, [{ line: 1, column: 1, message }])
  if (bytes.length > LARGEST_SPEC_BYTES)
    refuse(`has ${bytes.length} bytes, wanted at most ${LARGEST_SPEC_BYTES}`)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return refuse('is not UTF-8')
  }
}

/**
 * The reason why a text is refused before composing: its size, its nesting or its number of tokens. Composing 200,000
 * nested mappings ends the process, and describing as many faults takes minutes.
 */
export async function yamlTangle(text: string): Promise<string | undefined> {
  if (text.length > LARGEST_SPEC_BYTES)
    return `has ${text.length} characters, wanted at most ${LARGEST_SPEC_BYTES}`
  const { Parser } = await import('yaml')
  return tangleFault([...new Parser().parse(text)])
}

/** Checks tokens without recursion: composing 200,000 nested mappings would end the process, and that cannot be caught. */
function tangleFault(tokens: CST.Token[]): string | undefined {
  const waiting: [token: CST.Token, depth: number][] = tokens.map(token => [token, 0])
  let count = tokens.length
  while (waiting.length > 0) {
    const [token, depth] = waiting.pop()!
    if (depth > DEEPEST) return `is nested more than ${DEEPEST} deep`
    if (token.type === 'document') {
      count += token.start.length
      if (token.value !== undefined) waiting.push([token.value, depth])
    }
    for (const { start, key, sep, value } of 'items' in token ? token.items : []) {
      count += 1 + start.length + (sep?.length ?? 0)
      for (const part of [key, value]) if (part != null) waiting.push([part, depth + 1])
    }
    if (count > MOST_TOKENS) return `has more than ${MOST_TOKENS} tokens`
  }
  return undefined
}

type Yaml = typeof import('yaml')
type At = (offset: number) => { line: number; column: number }

function documentFaults(yaml: Yaml, document: Document.Parsed, at: At): SpecFault[] {
  const faults = [...document.errors, ...document.warnings].map(({ pos, message }) => ({
    ...at(pos[0]),
    message
  }))
  yaml.visit(document, {
    Map: (_, map) => {
      const first = new Map<unknown, number>()
      for (const { key } of map.items) {
        if (!yaml.isScalar(key)) continue
        const offset = key.range?.[0] ?? 0
        const before = first.get(key.value)
        if (before === undefined) first.set(key.value, offset)
        else
          faults.push({
            ...at(offset),
            message: `${showKey(key.value)}: again, first in line ${at(before).line}`
          })
      }
    }
  })
  return faults
}

const showKey = (key: unknown): string => showPath(pathFromText(String(key).slice(0, 80)))

function plainValue(document: Document.Parsed, file: string, refuse: RefuseText): unknown {
  try {
    return document.toJS({ maxAliasCount: MOST_ALIASED })
  } catch (cause) {
    return refuse(file, [{ line: 1, column: 1, message: (cause as Error).message }])
  }
}

/** Offset of the value at a path, or of the innermost part that exists. */
function offsetOf(yaml: Yaml, document: Document.Parsed, path: SpecPath, part: 'key' | 'value'): number {
  let node: unknown = document.contents
  let offset = startOf(node) ?? 0
  path.forEach((step, depth) => {
    const collection = yaml.isAlias(node) ? node.resolve(document) : node
    const isLast = depth === path.length - 1
    if (yaml.isMap(collection)) {
      const pair = collection.items.find(({ key }) => yaml.isScalar(key) && key.value === step)
      node = pair?.value
      const keyOffset = startOf(pair?.key)
      offset = (isLast && part === 'key' ? keyOffset : (startOf(node) ?? keyOffset)) ?? offset
    } else {
      node = yaml.isSeq(collection) ? collection.items[Number(step)] : undefined
      offset = startOf(node) ?? offset
    }
  })
  return offset
}

const startOf = (node: unknown): number | undefined => (node as Node | null | undefined)?.range?.[0]
