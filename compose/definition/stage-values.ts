/** `%arguments` and `{{ NAME }}` (spec/definitions.md#arguments). */
import { refuseAt, type SourceLine, type Stage } from './parse-definition.ts'

const USE = /\{\{\s*(\w+)\s*\}\}/g

/** Values of a stage's variables: those of the command line go before those of the definition. */
export class StageValues {
  readonly #values: Map<string, string>
  readonly #file: string
  /** Names that the definition uses. */
  readonly used = new Set<string>()

  constructor(stage: Stage, given: ReadonlyMap<string, string>, file: string) {
    this.#file = file
    this.#values = new Map()
    for (const section of stage.sections.filter(({ name }) => name === 'arguments'))
      for (const { text, line } of section.body) this.#add(text, line)
    for (const [name, value] of given) {
      if (this.#values.has(name)) this.used.add(name)
      this.#values.set(name, value)
    }
  }

  #add(text: string, line: number): void {
    if (/^\s*(#.*)?$/.test(text)) return
    const cut = text.indexOf('=')
    const name = text.slice(0, Math.max(0, cut)).trim()
    if (!/^\w+$/.test(name)) refuseAt(this.#file, line, `"${text.trim()}" is not of the form NAME=VALUE`)
    this.#values.set(name, text.slice(cut + 1).trim()) // quotes are part of it, as in Apptainer
  }

  /** A value may name other variables, whose values are taken as they are. */
  fill(text: string, line: number): string {
    return this.#replace(text, line, value => this.#replace(value, line, inner => inner))
  }

  /** Lines that are comments stay as they are. */
  fillLines = (lines: SourceLine[]): SourceLine[] =>
    lines.map(({ text, line }) => ({ text: /^\s*#/.test(text) ? text : this.fill(text, line), line }))

  #replace(text: string, line: number, then: (value: string) => string): string {
    return text.replace(USE, (use, name: string, start: number) => {
      const value = this.#values.get(name)
      if (value === undefined && isInComment(text, start)) return use
      if (value === undefined)
        refuseAt(
          this.#file,
          line,
          `{{ ${name} }} has no value`,
          `--build-arg ${name}=VALUE, or ${name}=VALUE in %arguments`
        )
      this.used.add(name)
      return then(value)
    })
  }
}

/** Behind a `#` that stands at the start of a word. */
const isInComment = (text: string, at: number): boolean => /(?:^|\s)#/.test(text.slice(0, at))
