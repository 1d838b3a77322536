import type { GcReport } from '../../store/gc/index.ts'
import { count } from '../../store/values/index.ts'
import { formatBytes } from './format-values.ts'

const WORDS = {
  blobs: ['blob', 'blobs'],
  data: ['part list or note', 'part lists and notes'],
  parts: ['part', 'parts'],
  indexes: ['tree index', 'tree indexes'],
  objects: ['compiled file of needed layers', 'compiled files of needed layers'],
  signatures: ['signature', 'signatures'],
  leftovers: ['file of an interrupted command', 'files of interrupted commands']
} as const

export function renderGc({ store, dryRun, kept, dropped, freed, bytes, young, denied }: GcReport): string {
  const would = dryRun ? 'would be ' : ''
  const kinds = Object.keys(WORDS) as (keyof typeof WORDS)[]
  return [
    ...dropped.map(
      ({ module, record, reason }) =>
        `dropped: ${module} ${record}${reason === undefined ? '' : ` (${reason})`}`
    ),
    ...kinds
      .filter(kind => freed[kind].files > 0)
      .map(
        kind =>
          `${count(freed[kind].files, WORDS[kind][0], WORDS[kind][1])} ${would}removed, ${formatBytes(freed[kind].bytes)}`
      ),
    ...(young.files > 0
      ? [
          `${count(young.files, 'file')} not needed, but kept because they are younger than --grace: ${formatBytes(young.bytes)}`
        ]
      : []),
    ...(denied.files > 0
      ? [
          `${count(denied.files, 'file')} not needed, but only others may remove them: ${formatBytes(denied.bytes)}`
        ]
      : []),
    `${store}: ${formatBytes(bytes)} ${would}freed; kept for ${[
      count(kept.modules, 'module'),
      `${count(kept.history, 'record')} replaced or unpublished`,
      count(kept.pins, 'pin')
    ].join(', ')}`
  ].join('\n')
}
