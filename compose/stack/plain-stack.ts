/**
 * Reads stack files in the form that people and `compose add` write, with one entry per line, without a YAML parser.
 * Loading the `yaml` package would make `compose list` take 7 to 13% more processor time (medians of 15 to 31 pairs,
 * 2 cores, Node 20.20). Any other form is left to that package (yaml-stack.ts), and a test compares the two.
 */
import { lineEditor } from './edit-lines.ts'
import type { StackItem, StackText } from './stack-text.ts'

const BLANK = /^ *(#.*)?$/
const MODULES = /^modules:(?: *( \[\]))?(?: *| +#.*)$/
/** A text in YAML's core schema: it begins with a letter, and is not a word for true, false or null. */
const FOR =
  /^for: +(?!(?:true|false|null) *(?: #|$))([A-Za-z][A-Za-z0-9_.+,-]*(?::[A-Za-z0-9_.+,-]+)*) *( #.*)?$/i
/** With a slash in it, the text is neither a number nor one of those words. A range may follow: `>= 4.1, < 5`. */
const ITEM =
  /^( *)- ([A-Za-z0-9_][A-Za-z0-9._+-]*\/[A-Za-z0-9._+-]+(?: (?:[<>]=?|!?=) [0-9][A-Za-z0-9._+-]*(?:, (?:[<>]=?|!?=) [0-9][A-Za-z0-9._+-]*)*)?) *( #.*)?$/

/** Undefined if the file has another form, valid or not. */
export function readPlainStack(text: string): StackText | undefined {
  if (/[\r\t\ufeff]/.test(text)) return undefined
  const reader = new PlainReader()
  for (const [i, line] of text.split('\n').entries())
    if (!BLANK.test(line) && !reader.take(line, i)) return undefined
  const { items, audience } = reader
  const edited = reader.isWhole() ? lineEditor(text, items) : undefined
  return edited && { items, audience, edited }
}

class PlainReader {
  items: StackItem[] = []
  audience: string | undefined
  #hasModules = false
  #isEmptyList = false
  #indent = -1
  #isInModules = false

  take(line: string, index: number): boolean {
    const item = ITEM.exec(line)
    if (item !== null) return this.#takeItem(item, index)
    const modules = MODULES.exec(line)
    if (modules !== null && !this.#hasModules) {
      this.#hasModules = true
      this.#isEmptyList = modules[1] !== undefined
      this.#isInModules = !this.#isEmptyList
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
    if (this.#indent < 0) this.#indent = indent.length
    this.items.push({ text, line: index + 1, column: indent.length + 3 })
    return indent.length === this.#indent
  }

  isWhole(): boolean {
    return this.#hasModules && (this.#isEmptyList || this.items.length > 0)
  }
}
