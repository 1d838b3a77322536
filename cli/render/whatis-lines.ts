import type { ModuleRecord } from '../../store/module/index.ts'

/** The lines that a modulefile's `whatis` usually has, as far as the record holds them, then its labels. */
export function whatisLines(record: ModuleRecord): [label: string, text: string][] {
  const { name, version, category, summary, license, family, deprecated, labels } = record
  const lines: [string, string | undefined][] = [
    ['Name', name],
    ['Version', version],
    ['Category', category],
    ['Description', summary],
    ['License', license],
    ['Family', family],
    ['Deprecated', deprecated && `${deprecated.date}: ${deprecated.text}`],
    ...Object.entries(labels)
  ]
  return lines.filter((line): line is [string, string] => line[1] !== undefined && line[1] !== '')
}

/** Width of the name column in Lmod's whatis. */
const NAME_WIDTH = 20

export const renderWhatis = (module: string, lines: [label: string, text: string][]): string =>
  lines
    .map(([label, text]) => `${module.padEnd(NAME_WIDTH)}: ${label}: ${text.replace(/\s+/g, ' ')}`)
    .join('\n')
