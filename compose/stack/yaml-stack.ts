/** Reads stack files in any form of YAML, and words the messages about wrong ones. */
import type { Document, LineCounter } from 'yaml'
import { yamlTangle } from '../../store/module/index.ts'
import { lineEditor } from './edit-lines.ts'
import { invalidStack, type StackItem, type StackText } from './stack-text.ts'

/** YAML 1.2.2, 5.1: characters outside `c-printable`. The parser accepts them, and then cannot write them. */
const NOT_PRINTABLE = /[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u

/** @throws StrataError STACK_INVALID with line and column */
export async function readYamlStack(text: string, file: string): Promise<StackText> {
  const yaml = await import('yaml')
  const tangle = await yamlTangle(text)
  if (tangle !== undefined) throw invalidStack(file, { line: 1, column: 1 }, tangle)
  const lines = new yaml.LineCounter()
  const place: PlaceOf = offset => {
    const { line, col } = lines.linePos(offset)
    return { line, column: col }
  }
  const refuse: Refuse = (what, offset = 0) => {
    throw invalidStack(file, place(offset), what)
  }
  const document = parseText(yaml, text, lines, refuse)
  const root = document.contents
  if (!yaml.isMap(root)) return refuse('wanted a mapping with the key "modules"', startOf(root))
  const fields = new StackFields(yaml, place, refuse)
  for (const { key, value } of root.items) fields.read(key, value)
  const { items, audience } = fields
  const edited = lineEditor(text, items) ?? ((edits, added) => editDocument(yaml, document, edits, added))
  return { items, audience, edited }
}

type Yaml = typeof import('yaml')
type PlaceOf = (offset: number) => Pick<StackItem, 'line' | 'column'>
type Refuse = (what: string, offset?: number) => never

const startOf = (node: unknown): number => (node as { range?: [number] } | null)?.range?.[0] ?? 0

/** Core schema without merge keys, as in spec/lock.md, so that the result does not depend on the parser's defaults. */
function parseText(yaml: Yaml, text: string, lineCounter: LineCounter, refuse: Refuse): Document.Parsed {
  // Not uniqueKeys, because its check is quadratic; the few possible keys are checked below.
  const document = yaml.parseDocument(text, { lineCounter, uniqueKeys: false, prettyErrors: false })
  const control = NOT_PRINTABLE.exec(text)
  if (control !== null) refuse('a character that YAML does not allow', control.index)
  const [error] = document.errors
  if (error !== undefined) refuse(error.message.split('\n')[0], error.pos[0])
  return document
}

/** The values of a stack file's keys. */
class StackFields {
  readonly items: StackItem[] = []
  audience: string | undefined
  readonly #seen = new Set<unknown>()
  readonly #yaml: Yaml
  readonly #place: PlaceOf
  readonly #refuse: Refuse

  constructor(yaml: Yaml, place: PlaceOf, refuse: Refuse) {
    this.#yaml = yaml
    this.#place = place
    this.#refuse = refuse
  }

  read(key: unknown, value: unknown): void {
    const name = this.#yaml.isScalar(key) ? key.value : undefined
    if (this.#seen.has(name)) this.#refuse(`key ${JSON.stringify(name)} occurs twice`, startOf(key))
    this.#seen.add(name)
    if (name === 'for') this.audience = this.#textOf(value, '"for" is not a text')
    else if (name === 'modules') this.#readModules(value)
    else this.#refuse(`key ${JSON.stringify(name)} is unknown, wanted modules or for`, startOf(key))
  }

  #readModules(list: unknown): void {
    const { isScalar, isSeq } = this.#yaml
    if (isScalar(list) && list.value === null) return
    if (!isSeq(list)) {
      this.#refuse('"modules" is not a list', startOf(list))
      return
    }
    for (const item of list.items)
      this.items.push({ text: this.#textOf(item, 'a module is not a text'), ...this.#place(startOf(item)) })
  }

  #textOf(node: unknown, fault: string): string {
    if (this.#yaml.isScalar(node) && typeof node.value === 'string') return node.value
    return this.#refuse(fault, startOf(node))
  }
}

function editDocument(
  { isSeq }: Yaml,
  document: Document.Parsed,
  edits: (string | undefined)[],
  added: string[]
): string {
  const copy = document.clone()
  const list = copy.get('modules')
  if (!isSeq(list)) copy.set('modules', copy.createNode(added))
  else {
    for (const [i, edit] of edits.entries()) if (edit !== undefined) copy.setIn(['modules', i], edit)
    list.items = list.items.filter((_, i) => edits[i] !== undefined)
    for (const text of added) list.add(copy.createNode(text))
    list.flow = list.flow || list.items.length === 0
  }
  return copy.toString({ lineWidth: 0 })
}
