/** Extracts the commands of pages: every indented block, line by line. Fenced blocks without `$` hold no commands. */
import { readFileSync } from 'node:fs'

/** Commands of a page, in its order; those that go over several lines as one. */
export function commandsOf(page: string): string[] {
  const text = readFileSync(new URL(`../../../${page}`, import.meta.url), 'utf8')
  const typed: string[] = []
  let isFenced = false
  for (const line of text.replaceAll(/\\\n\s*/g, '').split('\n')) {
    if (line.startsWith('```')) isFenced = !isFenced
    else if (isFenced && line.startsWith('$ ')) typed.push(line.slice(2))
    else if (!isFenced && line.startsWith('    ')) typed.push(line.trim())
  }
  return typed
}
