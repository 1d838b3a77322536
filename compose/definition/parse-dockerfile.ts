/** Parses Dockerfiles (spec/definitions.md#dockerfiles). Variables are filled in later. */
import { refuseAt } from './parse-definition.ts'

export interface Instruction {
  /** Upper case. */
  name: string
  /** `--name=value` before the rest, in their order. */
  flags: [name: string, value: string][]
  /** The rest of the line, with continued lines joined. */
  text: string
  /** Words of the JSON form; undefined for the other one. */
  words?: string[]
  documents: HereDocument[]
  /** From 1. */
  line: number
}

export interface HereDocument {
  name: string
  text: string
  /** False if the name was quoted. */
  isExpanded: boolean
}

export interface Dockerfile {
  /** The character that continues lines and takes meanings away: `\`, or a backquote. */
  mark: string
  instructions: Instruction[]
}

const KNOWN = new Set(
  `FROM ARG ENV RUN COPY ADD WORKDIR USER LABEL ENTRYPOINT CMD SHELL EXPOSE VOLUME STOPSIGNAL HEALTHCHECK MAINTAINER
  ONBUILD`.split(/\s+/)
)

const WITH_DOCUMENTS = new Set(['RUN', 'COPY', 'ADD'])
const WITH_JSON = new Set(['RUN', 'COPY', 'ADD', 'ENTRYPOINT', 'CMD', 'SHELL', 'VOLUME'])

/** True for text whose first instruction can begin a Dockerfile. */
export function looksLikeDockerfile(text: string): boolean {
  const first = text.split('\n').find(line => line.trim() !== '' && !line.trim().startsWith('#'))
  return first !== undefined && !text.includes('\0') && /^\s*(FROM|ARG)\s/i.test(first)
}

/** @throws StrataError DEFINITION_INVALID with file and line */
export const parseDockerfile = (text: string, file: string): Dockerfile =>
  new Parser(text.replace(/\r\n?/g, '\n').split('\n'), file).parse()

class Parser {
  readonly #lines: string[]
  readonly #file: string
  #escape = '\\'
  #at = 0

  constructor(lines: string[], file: string) {
    this.#lines = lines
    this.#file = file
  }

  parse(): Dockerfile {
    this.#directives()
    const instructions: Instruction[] = []
    for (let next = this.#logicalLine(); next !== undefined; next = this.#logicalLine())
      instructions.push(this.#instruction(next))
    return { mark: this.#escape, instructions }
  }

  /** `# escape=` counts above everything else, also above other comments. */
  #directives(): void {
    for (const line of this.#lines) {
      const [, name, value] = /^#\s*([a-z]+)\s*=\s*(\S+)\s*$/i.exec(line) ?? []
      if (name === undefined) return
      if (name.toLowerCase() !== 'escape') continue
      if (value !== '\\' && value !== '`') refuseAt(this.#file, 1, `escape=${value}: wanted \\ or \``)
      this.#escape = value
    }
  }

  /** Comments and empty lines are left out, also within continued lines. */
  #logicalLine(): { text: string; line: number } | undefined {
    let text: string | undefined
    let line = 0
    while (this.#at < this.#lines.length) {
      const next = this.#lines[this.#at++]
      if (next.trim() === '' || next.trimStart().startsWith('#')) continue
      if (text === undefined) line = this.#at
      const bare = next.trimEnd()
      const goesOn = bare.endsWith(this.#escape)
      text = (text ?? '') + (goesOn ? bare.slice(0, -1) : next)
      if (!goesOn) break
    }
    return text === undefined ? undefined : { text: text.trim(), line }
  }

  #instruction({ text, line }: { text: string; line: number }): Instruction {
    const [word] = text.split(/\s/, 1)
    const name = word.toUpperCase()
    if (!KNOWN.has(name))
      refuseAt(this.#file, line, `${word} is not an instruction`, `known: ${[...KNOWN].join(', ')}`)
    const { flags, rest } = flagsOf(text.slice(word.length).trimStart())
    if (rest === '' && name !== 'RUN') refuseAt(this.#file, line, `${name} wants something behind it`)
    const documents = WITH_DOCUMENTS.has(name) ? this.#documents(rest, line) : []
    const words = WITH_JSON.has(name) && documents.length === 0 ? jsonWords(rest) : undefined
    return { name, flags, text: rest, ...(words && { words }), documents, line }
  }

  #documents(text: string, line: number): HereDocument[] {
    return hereWords(text).map(({ name, isQuoted, isIndented }) => {
      const lines: string[] = []
      while (this.#at < this.#lines.length) {
        const raw = this.#lines[this.#at++]
        const next = isIndented ? raw.replace(/^\t+/, '') : raw
        if (next === name)
          return { name, isExpanded: !isQuoted, text: lines.map(each => `${each}\n`).join('') }
        lines.push(next)
      }
      return refuseAt(this.#file, line, `the here-document ${name} has no end`, `a line ${name}`)
    })
  }
}

const HERE = /^<<(-?)(?:"([\w.-]+)"|'([\w.-]+)'|([\w.-]+))/
const LONGEST_HERE = 260

/** Words that begin here-documents. `<<<` begins none, nor does `<<` in quotes. */
export function hereWords(text: string): { name: string; isQuoted: boolean; isIndented: boolean }[] {
  const found: { name: string; isQuoted: boolean; isIndented: boolean }[] = []
  let quote = ''
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (quote !== '') {
      if (character === '\\' && quote === '"') at++
      else if (character === quote) quote = ''
    } else if (character === '\\') at++
    else if (character === '"' || character === "'") quote = character
    else if (text.startsWith('<<<', at)) at += 2
    else if (character === '<') {
      const [whole, dash, double, single, bare] = HERE.exec(text.slice(at, at + LONGEST_HERE)) ?? []
      if (whole === undefined) continue
      found.push({ name: double ?? single ?? bare, isQuoted: bare === undefined, isIndented: dash === '-' })
      at += whole.length - 1
    }
  }
  return found
}

function flagsOf(text: string): { flags: [string, string][]; rest: string } {
  const flags: [string, string][] = []
  let rest = text
  for (;;) {
    const [found, name, value] = /^--([a-z][a-z-]*)(?:=(\S*))?(?:\s+|$)/.exec(rest) ?? []
    if (found === undefined) return { flags, rest }
    flags.push([name, value ?? 'true'])
    rest = rest.slice(found.length)
  }
}

/** Undefined for what is not a list of strings: then it is the other form. */
function jsonWords(text: string): string[] | undefined {
  if (!text.startsWith('[')) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) && value.every(word => typeof word === 'string') ? value : undefined
  } catch {
    return undefined
  }
}
