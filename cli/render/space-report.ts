/** `du`: the space that modules take in a store. */
import { formatModuleName } from '../../store/module/index.ts'
import type { MeasuredSpace, ModuleSpace, SharedSpace } from '../../store/usage/index.ts'
import { count, formatCid } from '../../store/values/index.ts'
import { formatBytes } from './format-values.ts'

export interface SpaceReport {
  /** Of the store. */
  root: string
  rows: (ModuleSpace & { sharedWith?: SharedSpace[] })[]
  /** Missing if only some modules were asked for. */
  total?: MeasuredSpace['total']
}

/** Modules with which files are shared; more are only counted. */
const MOST_SHARERS = 10

const HEADINGS = ['module', 'unpacked', 'stored', 'on disk', 'own', 'shared', '']

export function renderSpace({ root, rows, total }: SpaceReport): string {
  const cells = rows.map(rowOf)
  const isClosed = rows.some(({ isOpen }) => !isOpen)
  return [
    ...table(
      [
        HEADINGS,
        ...cells,
        ...(total
          ? [
              [
                'total',
                ...[total.unpackedBytes, total.apparentBytes, total.diskBytes].map(formatBytes),
                '',
                '',
                ''
              ]
            ]
          : [])
      ],
      rows.map(sharerLines)
    ),
    ...(isClosed ? ['* closed to you in part: its packed files are not counted'] : []),
    ...(total ? [`${root}: ${count(rows.length, 'module')}; the total counts each file once`] : [])
  ].join('\n')
}

const rowOf = ({ module, isOpen, sharers, ...bytes }: ModuleSpace): string[] => [
  `${formatModuleName(module)}${isOpen ? '' : ' *'}`,
  ...[bytes.unpackedBytes, bytes.apparentBytes, bytes.diskBytes, bytes.ownBytes, bytes.sharedBytes].map(
    formatBytes
  ),
  sharers === 0 ? '' : `with ${count(sharers, 'module')}`
]

function sharerLines({ sharedWith = [] }: { sharedWith?: SharedSpace[] }): string[] {
  const more = sharedWith.length - MOST_SHARERS
  return [
    ...sharedWith
      .slice(0, MOST_SHARERS)
      .map(({ module, apparentBytes }) => `  ${formatBytes(apparentBytes)} with ${formatModuleName(module)}`),
    ...(more > 0 ? [`  and ${count(more, 'more module')}`] : [])
  ]
}

/** @param behind lines that follow each row but the heading */
function table(rows: string[][], behind: string[][]): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map(row => row[column].length)))
  return rows.flatMap((row, i) => [
    row
      .map((cell, column) =>
        column === 0 || column === row.length - 1
          ? cell.padEnd(widths[column])
          : cell.padStart(widths[column])
      )
      .join('  ')
      .trimEnd(),
    ...(behind[i - 1] ?? [])
  ])
}

export const spaceJson = ({ root, rows, total }: SpaceReport): object => ({
  store: root,
  modules: rows.map(({ module, record, isOpen, sharers, sharedWith, ...bytes }) => ({
    module: formatModuleName(module),
    record: formatCid(record),
    ...bytes,
    sharers,
    ...(sharedWith && {
      sharedWith: sharedWith.map(({ module: name, apparentBytes }) => ({
        module: formatModuleName(name),
        apparentBytes
      }))
    }),
    closed: !isOpen
  })),
  ...(total && { total })
})
