/** What choosing modules says, in the words that users of `module` know. */
import type { StackChange } from '../../compose/stack/index.ts'
import { formatModuleName } from '../../store/module/index.ts'
import { formatCid } from '../../store/values/index.ts'
import { columns } from './text-columns.ts'

export interface ListedModule {
  name: string
  /** Nobody asked for it: others require it. */
  isAutomatic?: boolean
  isHidden?: boolean
  isDeprecated?: boolean
}

const LEGEND: [mark: string, key: keyof ListedModule, meaning: string][] = [
  ['A', 'isAutomatic', 'Added automatically, others require it'],
  ['H', 'isHidden', 'Hidden Module'],
  ['X', 'isDeprecated', 'Deprecated, see compose show']
]

/** Cells begin with two spaces of their own. */
const CELL_GAP = 1

/** As `module list`. @param width columns of the terminal */
export function renderLoaded(modules: ListedModule[], width: number): string {
  if (modules.length === 0) return 'No modules loaded'
  const digits = String(modules.length).length
  const cells = modules.map((module, i) => {
    const marks = LEGEND.filter(([, key]) => module[key]).map(([mark]) => mark)
    return `${String(i + 1).padStart(digits + 2)}) ${module.name}${marks.length > 0 ? ` (${marks.join(',')})` : ''}`
  })
  const legend = LEGEND.filter(([, key]) => modules.some(module => module[key]))
  const where =
    legend.length === 0 ? [] : ['', '  Where:', ...legend.map(([mark, , text]) => `   ${mark}:  ${text}`)]
  return ['', 'Currently Loaded Modules:', ...columns(cells, width, CELL_GAP), ...where, ''].join('\n')
}

/** What an edit did beyond what was typed; none for one that did just that. */
export function changeNotes(change: StackChange): string[] {
  const notes: string[] = []
  if (change.lockFault !== undefined) notes.push(`${change.lockFault}; it is written anew`)
  for (const name of change.notLoaded) notes.push(`"${name}" is not loaded.`)
  for (const { from, to } of change.replaced)
    notes.push(`compose is automatically replacing "${from}" with "${to}".`)
  if (change.reloaded.length > 0)
    notes.push(
      'The following have been reloaded with a version change:',
      ...change.reloaded.map(({ from, to }, i) => `  ${i + 1}) ${from} => ${to}`)
    )
  for (const { module, by } of change.alongside) notes.push(`${module} comes along: required by ${by}`)
  for (const { module, by } of change.stays) notes.push(`${module} stays: required by ${by}`)
  for (const name of change.gone) notes.push(`${name} is gone: nothing requires it any more`)
  for (const { module, newer } of change.newer ?? [])
    notes.push(`${newer} is there, and the stack keeps ${module}: it, or what requires it, asks for that`)
  if (change.newer?.length === 0 && change.reloaded.length === 0) notes.push('Nothing newer is there.')
  notes.push(...change.deprecated.map(deprecationNote), ...basesNote(change.bases))
  return notes
}

export const deprecationNote = ({ module, date, text }: StackChange['deprecated'][number]): string =>
  `${module} is deprecated (${date}): ${text}`

/** @param bases that do not require each other */
export const basesNote = (bases: string[]): string[] =>
  bases.length < 2
    ? []
    : [
        `${bases.length} bases are in the stack: ${bases.join(', ')}. Files of all are in the image, and programs of one may load libraries of another.`
      ]

export const changeJson = ({ modules, ...rest }: StackChange): object => ({
  ...rest,
  modules: modules.map(({ name, id }) => ({ module: formatModuleName(name), record: formatCid(id) }))
})
