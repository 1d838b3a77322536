/** Reads stack files in any form of YAML, and words the messages about wrong ones. */
import { yamlTangle } from '../../store/module/index.ts'
import { lineEditor } from './edit-lines.ts'
import { invalidStack, type StackItem, type StackText } from './stack-text.ts'

/** YAML 1.2.2, 5.1: characters outside `c-printable`. The parser accepts them, and then cannot write them. */
const NOT_PRINTABLE = /[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u

/** @throws StrataError STACK_INVALID with line and column */
export async function readYamlStack(text: string, file: string): Promise<StackText> {
  const { LineCounter, parseDocument, isMap, isScalar, isSeq } = await import('yaml')
  const lines = new LineCounter()
  // Core schema without merge keys, as in spec/lock.md, so that the result does not depend on the parser's defaults.
  const tangle = await yamlTangle(text)
  if (tangle !== undefined) throw invalidStack(file, { line: 1, column: 1 }, tangle)
  // Not uniqueKeys, because its check is quadratic; the few possible keys are checked below.
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: false, prettyErrors: false })
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return { line, column: col }
  }
  const refuse = (what: string, offset = 0): never => {
    throw invalidStack(file, place(offset), what)
  }
  const control = NOT_PRINTABLE.exec(text)
  if (control !== null) refuse('a character that YAML does not allow', control.index)
  const startOf = (node: unknown): number => (node as { range?: [number] } | null)?.range?.[0] ?? 0
  if (document.errors.length > 0) refuse(document.errors[0].message.split('\n')[0], document.errors[0].pos[0])
  const root = document.contents
  if (!isMap(root)) return refuse('wanted a mapping with the key "modules"', startOf(root))
  const items: StackItem[] = []
  let audience: string | undefined
  const seen = new Set<unknown>()
  for (const { key, value } of root.items) {
    const name = isScalar(key) ? key.value : undefined
    if (seen.has(name)) return refuse(`key ${JSON.stringify(name)} occurs twice`, startOf(key))
    seen.add(name)
    if (name === 'for') {
      if (!isScalar(value) || typeof value.value !== 'string')
        return refuse('"for" is not a text', startOf(value))
      audience = value.value
    } else if (name === 'modules') {
      if (isScalar(value) && value.value === null) continue
      if (!isSeq(value)) return refuse('"modules" is not a list', startOf(value))
      for (const item of value.items) {
        if (!isScalar(item) || typeof item.value !== 'string')
          return refuse('a module is not a text', startOf(item))
        items.push({ text: item.value, ...place(startOf(item)) })
      }
    } else refuse(`key ${JSON.stringify(name)} is unknown, wanted modules or for`, startOf(key))
  }
  return { items, audience, edited: lineEditor(text, items) ?? editedDocument }

  function editedDocument(edits: (string | undefined)[], added: string[]): string {
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
}
