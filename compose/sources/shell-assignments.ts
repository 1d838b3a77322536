/**
 * Reads the environment changes of a shell script that only sets variables (spec/sources.md#environment). Nothing is
 * run: lines of a few plain forms are parsed, and parsing ends at the first other line.
 */

import { checkOperation, type EnvironmentOperation } from '../../store/module/index.ts'
import { StrataError } from '../../store/values/index.ts'

export interface ScriptEnvironment {
  operations: EnvironmentOperation[]
  /** The first line of another form, counted from 1; undefined if all lines were read. */
  unread?: { line: number; text: string }
}

/** No value may be that long (spec/module.md#record). */
const LONGEST_LINE = 1 << 16

/** @param what name of the script in messages */
export function parseAssignments(script: string, what: string): ScriptEnvironment {
  const operations: EnvironmentOperation[] = []
  /** Variables that were set but not exported yet. */
  const local: Local = new Map()
  const lines = script.split('\n')
  const unread = (line: number) => ({ line: line + 1, text: lines[line].trim() })
  for (const [i, line] of lines.entries()) {
    if (line.length > LONGEST_LINE) return { operations, unread: unread(i) }
    const read = parseLine(line, { local, line: i, what })
    if (read === undefined) return { operations, unread: unread(i) }
    operations.push(...read)
  }
  // Such a variable may or may not reach programs, depending on how the script is run.
  const [first] = local.values()
  return first === undefined ? { operations } : { operations, unread: unread(first.line) }
}

/** Variables with their line, counted from 0. */
type Local = Map<string, { operation: EnvironmentOperation; line: number }>

interface Place {
  local: Local
  line: number
  what: string
}

/** Returns undefined for a line of another form. */
function parseLine(line: string, place: Place): EnvironmentOperation[] | undefined {
  const operations: EnvironmentOperation[] = []
  for (let rest = line.trimStart(); rest !== '' && !rest.startsWith('#'); ) {
    const command = /^(export|unset)\s+/.exec(rest)?.[1] ?? 'assign'
    if (command !== 'assign') rest = rest.slice(command.length).trimStart()
    const words = parseWords(rest)
    if (words === undefined) return undefined
    for (const word of words.words) {
      const operation = operationOf(command, word, place)
      if (operation === undefined) return undefined
      operations.push(...operation)
    }
    rest = words.rest
  }
  return operations
}

/** A name, and its value in an assignment. */
interface Word {
  name: string
  value?: Piece[]
}

type Piece = { literal: string } | { variable: string }

const START = /^([A-Za-z_][A-Za-z0-9_]*)(=?)/

/** Words up to the end of the command. */
function parseWords(text: string): { words: Word[]; rest: string } | undefined {
  const words: Word[] = []
  for (let rest = text; ; ) {
    const start = START.exec(rest)
    if (start === null) return undefined
    const [whole, name, equals] = start
    const value =
      equals === ''
        ? { pieces: undefined, rest: rest.slice(whole.length) }
        : parseValue(rest.slice(whole.length))
    if (value === undefined) return undefined
    words.push({ name, value: value.pieces })
    const end = /^(?:\s*;\s*|\s*$|\s+#.*$)/s.exec(value.rest)
    if (end !== null) return { words, rest: value.rest.slice(end[0].length) }
    if (!/^\s/.test(value.rest)) return undefined
    rest = value.rest.trimStart()
  }
}

// Parts of a value: 'literal', "with $VARIABLES", plain characters, escaped characters.
const SINGLE = /^'([^']*)'/
const DOUBLE = /^"((?:[^"\\`]|\\.)*)"/
const PLAIN = /^[A-Za-z0-9_@%+=:,./~^-]+/
const VARIABLE = /^\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})/
/** `${NAME:-value}`, with quotes around the value or not. Apptainer writes the variables of an OCI image like this. */
const DEFAULTED = /^"\$\{([A-Za-z_][A-Za-z0-9_]*):-("?)((?:[^"\\`$}]|\\.)*)\2\}"/

function parseValue(text: string): { pieces: Piece[]; rest: string } | undefined {
  const pieces: Piece[] = []
  let rest = text
  while (rest !== '' && !/^[\s;]/.test(rest)) {
    const defaulted = DEFAULTED.exec(rest)
    const single = SINGLE.exec(rest)
    const double = DOUBLE.exec(rest)
    const variable = VARIABLE.exec(rest)
    const plain = PLAIN.exec(rest)
    if (defaulted !== null) pieces.push({ literal: unescapeQuoted(defaulted[3]) })
    else if (single !== null) pieces.push({ literal: single[1] })
    else if (double !== null) {
      const inner = parseQuoted(double[1])
      if (inner === undefined) return undefined
      pieces.push(...inner)
    } else if (variable !== null) pieces.push({ variable: variable[1] ?? variable[2] })
    // At the start of a value and after a colon, the shell replaces a tilde by a home folder.
    else if (plain !== null && !/(^|[:=])~/.test(plain[0])) pieces.push({ literal: plain[0] })
    else return undefined
    rest = rest.slice((defaulted ?? single ?? double ?? variable ?? plain)![0].length)
  }
  return { pieces, rest }
}

/** Parses text between double quotes. */
function parseQuoted(text: string): Piece[] | undefined {
  const pieces: Piece[] = []
  for (let rest = text; rest !== ''; ) {
    const variable = VARIABLE.exec(rest)
    const literal = /^(?:[^$\\]|\\.)+/s.exec(rest)
    if (variable !== null) pieces.push({ variable: variable[1] ?? variable[2] })
    else if (literal !== null) pieces.push({ literal: unescapeQuoted(literal[0]) })
    else return undefined
    rest = rest.slice((variable ?? literal)![0].length)
  }
  return pieces
}

/** Between double quotes a backslash escapes only these characters (POSIX.1-2017, 2.2.3). */
const unescapeQuoted = (text: string): string => text.replace(/\\([$`"\\])/g, '$1')

function operationOf(
  command: string,
  { name, value }: Word,
  { local, line, what }: Place
): EnvironmentOperation[] | undefined {
  if (command === 'unset') return value === undefined ? [{ operation: 'unset', name }] : undefined
  if (value === undefined) {
    const assigned = local.get(name)
    local.delete(name)
    return command === 'export' && assigned !== undefined ? [assigned.operation] : undefined
  }
  const operation = assignment(name, value)
  if (operation === undefined || !isValid(operation, what)) return undefined
  if (command === 'export') return [operation]
  local.set(name, { operation, line })
  return []
}

/** `NAME=value`, `NAME=value:$NAME`, `NAME=$NAME:value`. */
function assignment(name: string, pieces: Piece[]): EnvironmentOperation | undefined {
  const own = pieces.findIndex(piece => 'variable' in piece)
  const literals = (from: number, to: number) =>
    pieces.slice(from, to).reduce((text, piece) => text + ('literal' in piece ? piece.literal : ''), '')
  if (own < 0) return { operation: 'set', name, value: literals(0, pieces.length) }
  const variables = pieces.filter(piece => 'variable' in piece)
  const before = literals(0, own)
  const after = literals(own + 1, pieces.length)
  if (variables.length > 1 || variables[0].variable !== name) return undefined
  if (after === '' && before.length > 1 && before.endsWith(':'))
    return { operation: 'prepend', name, value: before.slice(0, -1) }
  if (before === '' && after.length > 1 && after.startsWith(':'))
    return { operation: 'append', name, value: after.slice(1) }
  return undefined
}

function isValid(operation: EnvironmentOperation, what: string): boolean {
  try {
    checkOperation(operation, what)
    return true
  } catch (error) {
    if (error instanceof StrataError) return false
    throw error
  }
}
