/** `%arguments` and `{{ NAME }}` (spec/definitions.md#arguments). */
import { refuseAt, type SourceLine, type Stage } from './parse-definition.ts'

const USE = /\{\{\s*([A-Za-z_]\w*)\s*\}\}/g

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
    const [, name, value] = /^\s*([A-Za-z_]\w*)=(.*)$/.exec(text) ?? []
    if (name === undefined) refuseAt(this.#file, line, `"${text.trim()}" is not of the form NAME=VALUE`)
    this.#values.set(name, unquoted(value.trim()))
  }

  /** A value may name other variables, whose values are taken as they are. */
  fill(text: string, line: number): string {
    return this.#replace(text, line, value => this.#replace(value, line, inner => inner))
  }

  /** Lines that are comments stay as they are. */
  fillLines = (lines: SourceLine[]): SourceLine[] =>
    lines.map(({ text, line }) => ({ text: /^\s*#/.test(text) ? text : this.fill(text, line), line }))

  #replace(text: string, line: number, then: (value: string) => string): string {
    return text.replace(USE, (_, name: string) => {
      const value = this.#values.get(name)
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

const unquoted = (text: string): string => /^(["'])(.*)\1$/.exec(text)?.[2] ?? text
