import type { PathBytes } from '../../store/path-bytes.ts'

/**
 * Whether a record's `replaces` speaks of a path: a pattern covers a path and all below it; `*` stands for any bytes
 * but `/`, `**` for any bytes, `?` for one byte but `/` (spec/module.md#replaces).
 */
export function replacesMatcher(patterns: PathBytes[]): ((path: PathBytes) => boolean) | undefined {
  if (patterns.length === 0) return undefined
  const expressions = patterns.map(pattern => new RegExp(`^${expressionOf(pattern)}(?:/|$)`, 's'))
  return path => expressions.some(expression => expression.test(path))
}

const expressionOf = (pattern: PathBytes): string =>
  pattern.replace(/\*\*|\*|\?|[.+^${}()|[\]\\]/g, token => {
    if (token === '**') return '.*'
    if (token === '*') return '[^/]*'
    return token === '?' ? '[^/]' : `\\${token}`
  })
