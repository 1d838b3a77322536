import type { RestoredRecord } from '../../store/import/index.ts'
import { type FormerRecord, formatModuleName, type ModuleName } from '../../store/module/index.ts'
import { formatCid } from '../../store/values/index.ts'
import { settingsLines } from './import-report.ts'

type IsCurrent = (id: string) => boolean

/** Times have seconds, as in all dates: `2026-11-22T11:57:00Z`. */
const timeOf = ({ noted }: FormerRecord): string => `${new Date(noted).toISOString().slice(0, 19)}Z`

export const historyJson = (name: ModuleName, records: FormerRecord[], isCurrent: IsCurrent): object => ({
  module: formatModuleName(name),
  records: records.map(former => ({
    record: formatCid(former.record),
    noted: timeOf(former),
    current: isCurrent(formatCid(former.record)),
    ...(former.reason !== undefined && { reason: former.reason })
  }))
})

export const renderHistory = (name: ModuleName, records: FormerRecord[], isCurrent: IsCurrent): string =>
  [
    formatModuleName(name),
    ...records.map(former => {
      const id = formatCid(former.record)
      const state = isCurrent(id) ? '  current' : former.reason === undefined ? '' : `  ${former.reason}`
      return `  ${timeOf(former)}  ${id}${state}`
    })
  ].join('\n')

export const restoredJson = ({
  name,
  record,
  outcome,
  previous,
  settings,
  notes
}: RestoredRecord): object => ({
  module: formatModuleName(name),
  record: formatCid(record),
  outcome,
  ...(previous && { previous: formatCid(previous) }),
  ...(settings && { settings }),
  notes
})

export function renderRestored({ name, record, outcome, settings, notes }: RestoredRecord): string {
  const module = formatModuleName(name)
  return [
    outcome === 'same'
      ? `${module} already stands for ${formatCid(record)}`
      : `${module} stands for ${formatCid(record)} again`,
    ...settingsLines(settings),
    ...notes.map(note => `  ${note}`)
  ].join('\n')
}
