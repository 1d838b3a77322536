/**
 * Parses definition files of Apptainer and Singularity (spec/definitions.md#grammar). Text is taken as it is; variables are
 * filled in later, because their values depend on the stage.
 */
import { StrataError } from '../../store/values/index.ts'

export interface Section {
  /** Lower case, without the percent sign. */
  name: string
  /** The rest of its line. */
  argument: string
  /** Line of the percent sign, from 1. */
  line: number
  body: SourceLine[]
}

export interface SourceLine {
  text: string
  line: number
}

export interface Stage {
  name?: string
  line: number
  header: Map<string, { value: string; line: number }>
  sections: Section[]
}

const KEYS = new Set(
  `bootstrap from stage include includecmd library registry namespace osversion mirrorurl updateurl confurl setopt product
  user regcode productpgp registerurl modules fingerprints target frontend filename buildargs`.split(/\s+/)
)

const SECTIONS = new Set(
  `help setup files labels environment pre post runscript test startscript arguments`.split(/\s+/)
)

const APP_SECTIONS = new Set(
  `appinstall applabels appfiles appenv apptest apphelp apprun appstart`.split(/\s+/)
)

/** True for the text of a definition, rather than of a lock or a list; also for one that lacks its header. */
export function looksLikeDefinition(text: string): boolean {
  const first = text.split('\n').find(line => line.trim() !== '' && !line.trim().startsWith('#'))
  if (first === undefined) return false
  const [word] = first.trim().split(/\s/, 1)
  return /^\s*bootstrap\s*:/i.test(first) || (word[0] === '%' && SECTIONS.has(word.slice(1).toLowerCase()))
}

/** @throws StrataError DEFINITION_INVALID with file and line */
export function parseDefinition(text: string, file: string): Stage[] {
  return new Parser(text.replace(/\r\n?/g, '\n').split('\n'), file).parse()
}

/** @throws always */
export function refuseAt(file: string, line: number, what: string, hint?: string): never {
  throw new StrataError('DEFINITION_INVALID', {
    message: `${file}, line ${line}: ${what}`,
    facts: { file, line },
    ...(hint !== undefined && { hint })
  })
}

/** @throws StrataError that of `work`; DEFINITION_INVALID with the line for another error */
export function withLine<T>(file: string, line: number, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof StrataError) throw error
    return refuseAt(file, line, (error as Error).message)
  }
}

const BEGINS_STAGE = /^bootstrap\s*:/i
const BEGINS_SECTION = /^\s*%/
const HERE_DOCUMENT = /<<(-?)\s*(?:'([^']+)'|"([^"]+)"|\\?([A-Za-z_][\w.-]*))/

class Parser {
  readonly #lines: string[]
  readonly #file: string
  readonly #stages: Stage[] = []
  #at = 0

  constructor(lines: string[], file: string) {
    this.#lines = lines
    this.#file = file
  }

  parse(): Stage[] {
    this.#skipComments()
    if (this.#at === this.#lines.length)
      refuseAt(this.#file, 1, 'it is empty, wanted a line Bootstrap: AGENT')
    while (this.#at < this.#lines.length) this.#stage()
    this.#nameStages()
    return this.#stages
  }

  #skipComments(): void {
    while (this.#at < this.#lines.length && /^\s*(#.*)?$/.test(this.#lines[this.#at])) this.#at++
  }

  #stage(): void {
    const stage: Stage = { line: this.#at + 1, header: new Map(), sections: [] }
    this.#header(stage)
    if (!stage.header.has('bootstrap')) refuseAt(this.#file, stage.line, 'the header has no Bootstrap: AGENT')
    while (this.#at < this.#lines.length && !BEGINS_STAGE.test(this.#lines[this.#at]))
      stage.sections.push(this.#section())
    this.#stages.push(stage)
  }

  /** Up to the first section. A backslash at a line's end continues it, and # ends it. */
  #header({ header }: Stage): void {
    while (this.#at < this.#lines.length && !BEGINS_SECTION.test(this.#lines[this.#at])) {
      const line = this.#at + 1
      if (header.has('bootstrap') && BEGINS_STAGE.test(this.#lines[this.#at])) return
      const text = this.#headerText()
      if (text === '') continue
      const colon = text.indexOf(':')
      const [key, value] = [text.slice(0, Math.max(0, colon)), text.slice(colon + 1)].map(part => part.trim())
      if (!/^[A-Za-z]+[0-9]*$/.test(key))
        refuseAt(this.#file, line, `"${text}" is not of the form Key: value`)
      const name = key.toLowerCase()
      if (!KEYS.has(name) && !/^otherurl\d+$/.test(name))
        refuseAt(this.#file, line, `the key ${key} is unknown`, `known keys: ${[...KEYS].join(', ')}`)
      header.set(name, { value, line })
    }
  }

  /** A backslash joins the next line as it is, without its indentation; `\\n` before it is a line break of the value. */
  #headerText(): string {
    let text = this.#headerLine()
    while (text.endsWith('\\') && this.#at < this.#lines.length) {
      const before = text.slice(0, -1)
      text = `${before.endsWith('\\n') ? `${before.slice(0, -2)}\n` : before}${this.#headerLine()}`
    }
    return text
  }

  #headerLine = (): string => beforeComment(this.#lines[this.#at++])

  #section(): Section {
    const line = this.#at + 1
    const text = this.#lines[this.#at++].trim().slice(1)
    const [name] = text.split(/\s/, 1)
    const rest = text.slice(name.length)
    const section: Section = { name: name.toLowerCase(), argument: argumentOf(rest), line, body: [] }
    if (!SECTIONS.has(section.name) && !APP_SECTIONS.has(section.name))
      refuseAt(
        this.#file,
        line,
        `%${name} is not a section`,
        `known: ${[...SECTIONS, ...APP_SECTIONS].join(', ')}`
      )
    if (APP_SECTIONS.has(section.name) && !isAppName(section.argument))
      refuseAt(this.#file, line, `%${name} names no application`, `%${section.name} NAME`)
    this.#body(section)
    return section
  }

  #body({ body }: Section): void {
    let end: { word: string; mayBeIndented: boolean; line: number } | undefined
    for (; this.#at < this.#lines.length; this.#at++) {
      const text = this.#lines[this.#at]
      const begins = BEGINS_SECTION.test(text) || BEGINS_STAGE.test(text)
      if (begins && end === undefined) break
      // Apptainer cuts the script here, in the middle of the here-document.
      if (begins)
        refuseAt(
          this.#file,
          this.#at + 1,
          `"${text.trim()}" in the here-document of line ${end!.line} begins a section or stage`,
          'indent it behind another character, or write it with printf'
        )
      body.push({ text, line: this.#at + 1 })
      if (end !== undefined) {
        if ((end.mayBeIndented ? text.replace(/^\t+/, '') : text) === end.word) end = undefined
        continue
      }
      const [found, dash, single, double, bare] = HERE_DOCUMENT.exec(text.replace(/^\s*#.*/, '')) ?? []
      if (found !== undefined && !found.startsWith('<<<'))
        end = { word: single ?? double ?? bare, mayBeIndented: dash === '-', line: this.#at + 1 }
    }
  }

  #nameStages(): void {
    for (const stage of this.#stages) {
      const named = stage.header.get('stage')
      if (named === undefined) continue
      if (this.#stages.some(({ name }) => name === named.value))
        refuseAt(this.#file, named.line, `two stages have the name ${named.value}`)
      stage.name = named.value
    }
  }
}

/** The name of a folder below /scif/apps. */
const isAppName = (name: string): boolean => /^[\w.+-]+$/.test(name) && name !== '.' && name !== '..'

const beforeComment = (text: string): string => text.split('#', 1)[0].trim()

/** What follows the section's name, up to a comment, before which is a blank. */
function argumentOf(rest: string): string {
  const comment = ` ${rest}`.search(/\s#/)
  return (comment < 0 ? rest : rest.slice(0, comment)).trim()
}

/** Bodies of one section that stands several times follow each other; arguments of the last one count. */
export function joinedSection({ sections }: Stage, name: string): Section | undefined {
  const found = sections.filter(section => section.name === name)
  const last = found.at(-1)
  if (last === undefined) return undefined
  return { ...last, line: found[0].line, body: found.flatMap(({ body }) => body) }
}
