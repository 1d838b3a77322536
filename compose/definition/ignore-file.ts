/** `.dockerignore`: files of the context that COPY and ADD do not see (spec/definitions.md#dockerfiles). */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { matchesPattern } from './shell-pattern.ts'

interface Rule {
  parts: string[]
  isException: boolean
}

export type Ignores = (path: string) => boolean

/** @param dockerfile its own list goes before that of the context */
export function readIgnoreFile(context: string, dockerfile: string): Ignores {
  const file = [`${dockerfile}.dockerignore`, join(context, '.dockerignore')].find(path =>
    statSync(path, { throwIfNoEntry: false })?.isFile()
  )
  return file === undefined ? () => false : parseIgnores(readFileSync(file, 'utf8'))
}

/** The last rule that fits a path, or a folder above it, decides. Paths are relative to the context. */
export function parseIgnores(text: string): Ignores {
  const rules = text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '' && !line.startsWith('#'))
    .map((line): Rule => {
      const isException = line.startsWith('!')
      const pattern = isException ? line.slice(1) : line
      return { isException, parts: pattern.split('/').filter(part => part !== '' && part !== '.') }
    })
  return path => {
    const parts = path.split('/').filter(part => part !== '')
    const last = rules.findLast(rule => parts.some((_, i) => fits(parts.slice(0, i + 1), rule.parts)))
    return last !== undefined && !last.isException
  }
}

/** `**` stands for any number of folders. In a time that grows with the product of the lengths. */
function fits(path: string[], pattern: string[]): boolean {
  let reached = new Set([0])
  const skip = (from: Set<number>) => {
    for (const at of from) if (pattern[at] === '**') from.add(at + 1)
    return from
  }
  skip(reached)
  for (const part of path) {
    const next = new Set<number>()
    for (const at of reached) {
      if (at >= pattern.length) continue
      if (pattern[at] === '**') next.add(at)
      else if (matchesPattern(part, pattern[at])) next.add(at + 1)
    }
    reached = skip(next)
  }
  return reached.has(pattern.length)
}
