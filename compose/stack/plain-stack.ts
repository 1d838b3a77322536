/**
 * Stack files as people and `compose add` write them, a line an entry, read without a YAML parser: loading the `yaml`
 * package takes longer than Node's own start. Whatever is not of this form is left to it (yaml-stack.ts), and a test
 * compares the two.
 */
import type { StackItem, StackText } from './stack-text.ts'

const BLANK = /^ *(#.*)?$/
const MODULES = /^modules: *( \[\])? *( #.*)?$/
/** A text in YAML's core schema: a letter first, none of its words for true, false and nothing. */
const FOR =
  /^for: +(?!(?:true|false|null) *(?: #|$))([A-Za-z][A-Za-z0-9_.+,-]*(?::[A-Za-z0-9_.+,-]+)*) *( #.*)?$/i
/** With a slash in it, it is neither a number nor one of those words. */
const ITEM = /^( *)- ([A-Za-z0-9_][A-Za-z0-9._+-]*\/[A-Za-z0-9._+-]+) *( #.*)?$/

/** Undefined where the file is not of this form, be it right or wrong. */
export function readPlainStack(text: string): StackText | undefined {
  if (/[\r\t\ufeff]/.test(text)) return undefined
  const lines = text.split('\n')
  const state = new PlainReader()
  for (const [i, line] of lines.entries()) if (!BLANK.test(line) && !state.take(line, i)) return undefined
  return state.isWhole() ? new PlainStack(lines, state) : undefined
}

class PlainReader {
  items: StackItem[] = []
  audience: string | undefined
  /** Index of the line `modules:`. */
  modulesAt = -1
  isEmptyList = false
  indent = -1
  #isInModules = false

  take(line: string, index: number): boolean {
    const item = ITEM.exec(line)
    if (item !== null) return this.#takeItem(item, index)
    const modules = MODULES.exec(line)
    if (modules !== null && this.modulesAt < 0) {
      this.modulesAt = index
      this.isEmptyList = modules[1] !== undefined
      this.#isInModules = !this.isEmptyList
      return true
    }
    const audience = FOR.exec(line)
    if (audience === null || this.audience !== undefined) return false
    this.audience = audience[1]
    this.#isInModules = false
    return true
  }

  #takeItem([, indent, text]: RegExpExecArray, index: number): boolean {
    if (!this.#isInModules) return false
    if (this.indent < 0) this.indent = indent.length
    this.items.push({ text, line: index + 1, column: indent.length + 3 })
    return indent.length === this.indent
  }

  isWhole(): boolean {
    return this.modulesAt >= 0 && (this.isEmptyList || this.items.length > 0)
  }
}

class PlainStack implements StackText {
  readonly items: readonly StackItem[]
  readonly audience: string | undefined
  readonly #lines: string[]
  readonly #modulesAt: number
  readonly #indent: string

  constructor(lines: string[], { items, audience, modulesAt, indent }: PlainReader) {
    this.#lines = lines
    this.items = items
    this.audience = audience
    this.#modulesAt = modulesAt
    this.#indent = ' '.repeat(indent < 0 ? 2 : indent)
  }

  edited(edits: (string | undefined)[], added: string[]): string {
    const lines: (string | undefined)[] = [...this.#lines]
    for (const [i, { text, line }] of this.items.entries()) {
      const edit = edits[i]
      lines[line - 1] = edit === undefined ? undefined : lines[line - 1]!.replace(`- ${text}`, `- ${edit}`)
    }
    const isEmpty = added.length === 0 && !this.items.some((_, i) => edits[i] !== undefined)
    lines[this.#modulesAt] = lines[this.#modulesAt]!.replace(
      /^modules:( *\[\])?/,
      isEmpty ? 'modules: []' : 'modules:'
    )
    const lastLine = this.items.at(-1)?.line ?? this.#modulesAt + 1
    const insert = added.map(text => `${this.#indent}- ${text}`)
    return [...lines.slice(0, lastLine), ...insert, ...lines.slice(lastLine)]
      .filter(line => line !== undefined)
      .join('\n')
  }
}
