import type { CacheReport } from '../../compose/cache/index.ts'
import { count } from '../../store/values/index.ts'
import { formatBytes } from './format-values.ts'

const WORDS = {
  images: ['image', 'images'],
  sandboxes: ['unpacked image', 'unpacked images']
} as const

export const cacheJson = ({ cache, dryRun, removed, bytes, kept, young }: CacheReport): object => ({
  cache,
  dryRun,
  removed: removed.map(({ kind, path, bytes, usedSeconds }) => ({
    kind,
    path,
    bytes,
    usedSeconds
  })),
  bytes,
  kept,
  young
})

export function renderCache({ cache, dryRun, removed, bytes, kept, young }: CacheReport): string {
  const would = dryRun ? 'would be ' : ''
  const kinds = Object.keys(WORDS) as (keyof typeof WORDS)[]
  const lines = kinds.flatMap(kind => {
    const some = removed.filter(entry => entry.kind === kind)
    const sum = some.reduce((total, entry) => total + entry.bytes, 0)
    return some.length === 0
      ? []
      : [`${count(some.length, WORDS[kind][0], WORDS[kind][1])} ${would}removed, ${formatBytes(sum)}`]
  })
  if (young.entries > 0)
    lines.push(
      `${count(young.entries, 'entry', 'entries')} kept because something may still run from it (used within --grace): ${formatBytes(young.bytes)}`
    )
  return [
    ...lines,
    `${cache}: ${formatBytes(bytes)} ${would}freed; ${count(kept.entries, 'entry', 'entries')} kept, ${formatBytes(kept.bytes)}`
  ].join('\n')
}
