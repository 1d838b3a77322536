/** Messages of the commands that edit the stack, in the words that users of `module` know. */
import type { StackChange } from '../../compose/stack/index.ts'
import { formatModuleName } from '../../store/module/index.ts'
import { formatCid } from '../../store/values/index.ts'
import { columns } from './text-columns.ts'

export interface ListedModule {
  name: string
  /** True if the user did not ask for it, but other modules require it. */
  isAutomatic?: boolean
  isHidden?: boolean
  isDeprecated?: boolean
}

const LEGEND: [mark: string, key: keyof ListedModule, meaning: string][] = [
  ['A', 'isAutomatic', 'Added automatically, others require it'],
  ['H', 'isHidden', 'Hidden Module'],
  ['X', 'isDeprecated', 'Deprecated, see compose show']
]

/** Small, because cells begin with two spaces of their own. */
const CELL_GAP = 1

/** Formats a list like `module list`. @param width columns of the terminal */
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

/** Notes on effects of an edit beyond the typed words; empty if there are none. */
export function changeNotes(change: StackChange): string[] {
  const notes: string[] = []
  if (change.lockFault !== undefined) notes.push(`${change.lockFault}; it is written again`)
  for (const name of change.notLoaded) notes.push(`"${name}" is not loaded.`)
  for (const { from, to } of change.replaced)
    notes.push(`compose is automatically replacing "${from}" with "${to}".`)
  if (change.reloaded.length > 0)
    notes.push(
      'The following have been reloaded with a version change:',
      ...change.reloaded.map(({ from, to }, i) => `  ${i + 1}) ${from} => ${to}`)
    )
  for (const { module, by } of change.alongside) notes.push(`${module} is added too: required by ${by}`)
  for (const { module, by } of change.stays) notes.push(`${module} stays: required by ${by}`)
  for (const name of change.gone) notes.push(`${name} is removed too: nothing requires it any more`)
  for (const { module, newer } of change.newer ?? [])
    notes.push(
      `${newer} exists, but the stack keeps ${module}, because stack.yaml or a module requires this version`
    )
  if (change.newer?.length === 0 && change.reloaded.length === 0) notes.push('There are no newer versions.')
  notes.push(...change.deprecated.map(deprecationNote), ...basesNote(change.bases))
  return notes
}

export const deprecationNote = ({ module, date, text }: StackChange['deprecated'][number]): string =>
  `${module} is deprecated (${date}): ${text}`

/** @param bases modules of kind base that do not require each other */
export const basesNote = (bases: string[]): string[] =>
  bases.length < 2
    ? []
    : [
        `${bases.length} bases are in the stack: ${bases.join(', ')}. The image will hold the files of all, and programs of one may load libraries of another.`
      ]

export const changeJson = ({ modules, ...rest }: StackChange): object => ({
  ...rest,
  modules: modules.map(({ name, id }) => ({ module: formatModuleName(name), record: formatCid(id) }))
})
