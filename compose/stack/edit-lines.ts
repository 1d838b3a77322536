/**
 * Edits stack files in the form that people and `compose add` write, with one entry per line. They are edited line by
 * line, so that spaces and comments stay. Writing a new YAML document would rearrange them.
 */
import type { StackItem } from './stack-text.ts'

const MODULES = /^modules:( *\[\])?(?: *| +#.*)$/

/** A line without an entry and without a value. */
const NO_ENTRY = /^ *(#.*)?$|^for: /

/**
 * @param items from the YAML parser
 * @returns undefined for a text of another form
 */
export function lineEditor(
  text: string,
  items: readonly StackItem[]
): ((edits: (string | undefined)[], added: string[]) => string) | undefined {
  const lines = text.split('\n')
  const found = lines.flatMap((line, i) => (MODULES.test(line) ? [i] : []))
  if (found.length !== 1 || /[\r\t\ufeff]/.test(text)) return undefined
  const isLineEach =
    items.length > 0
      ? items.every((item, i) => isAlone(item, lines, items[i - 1]))
      : lines.every(line => MODULES.test(line) || NO_ENTRY.test(line))
  if (!isLineEach) return undefined
  return (edits, added) => editedLines(lines, found[0], items, edits, added)
}

/** True if the entry has a line of its own, with the same indentation as the entry before. */
function isAlone({ text, line, column }: StackItem, lines: string[], before: StackItem | undefined): boolean {
  const found = lines[line - 1]
  return (
    /^ *- $/.test(found.slice(0, column - 1)) &&
    found.startsWith(text, column - 1) &&
    /^ *( #.*)?$/.test(found.slice(column - 1 + text.length)) &&
    (before === undefined || (before.line < line && before.column === column))
  )
}

function editedLines(
  before: string[],
  modulesAt: number,
  items: readonly StackItem[],
  edits: (string | undefined)[],
  added: string[]
): string {
  const lines: (string | undefined)[] = [...before]
  for (const [i, { text, line }] of items.entries()) {
    const edit = edits[i]
    lines[line - 1] =
      edit === undefined ? undefined : before[line - 1].replace(`- ${text}`, () => `- ${edit}`)
  }
  const isEmpty = added.length === 0 && !items.some((_, i) => edits[i] !== undefined)
  lines[modulesAt] = before[modulesAt].replace(/^modules:( *\[\])?/, isEmpty ? 'modules: []' : 'modules:')
  const lastLine = items.at(-1)?.line ?? modulesAt + 1
  const indent = ' '.repeat(items.length === 0 ? 2 : items[0].column - 3)
  const insert = added.map(text => `${indent}- ${text}`)
  return [...lines.slice(0, lastLine), ...insert, ...lines.slice(lastLine)]
    .filter(line => line !== undefined)
    .join('\n')
}
