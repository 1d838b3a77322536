/** `avail` and `overview`: the modules of a site by store, in the form that users of Lmod know. */
import type { OfferedModule } from '../../compose/find/index.ts'
import { pathFromText, showPath } from '../../store/values/index.ts'
import { banner, wrap } from './banner.ts'
import { type Cell, columns } from './text-columns.ts'

type Mark = [letter: string, meaning: string, isSo: (module: OfferedModule) => boolean]

/** The order is that of the marks behind a name; the legend is sorted by letter. */
const MARKS: Mark[] = [
  ['H', 'Hidden Module', ({ hidden }) => hidden],
  ['X', 'Deprecated, see compose show', ({ deprecated }) => deprecated !== undefined],
  ['R', 'Offered by a remote: build and run fetch it', ({ remote }) => remote !== undefined],
  ['L', 'Module is loaded', ({ isLoaded }) => isLoaded],
  ['D', 'Default Module', ({ isDefault, ofName }) => isDefault && ofName > 1]
]

const HINTS = [
  'If the avail list is too long consider trying:',
  '',
  '"compose avail --default" or "compose avail -d" to just list the default modules.',
  '"compose overview" to display the number of modules for each name.',
  '',
  'Use "compose spider" to find all possible modules.',
  'Use "compose keyword key1 key2 ..." to search for all possible modules matching any of the "keys".'
]

const NOTHING = 'No module(s) found!'

export interface AvailableForm {
  /** Columns of the terminal. */
  width: number
  /** If true, only defaults are listed, and none is marked as default. */
  defaultsOnly: boolean
  /** If true, hints about further commands are printed. */
  withHints: boolean
  /** Where nothing is listed: hints of another kind, or more of them. */
  emptyHints: (usual: string[]) => string[]
}

export function renderAvailable(
  modules: OfferedModule[],
  { width, defaultsOnly, withHints, emptyHints }: AvailableForm
): string {
  const marks = MARKS.filter(([letter]) => letter !== 'D' || !defaultsOnly)
  const shelves = byShelf(modules).flatMap(({ title, modules }) => [
    '',
    banner(title, width),
    ...columns(
      modules.map(module => cellOf(module, marks)),
      width - FREE_COLUMNS,
      CELL_GAP
    )
  ])
  const isEmpty = modules.length === 0
  const hints = withHints ? (isEmpty ? emptyHints(HINTS) : HINTS).map(line => wrap(line, width)) : []
  const body = isEmpty ? [NOTHING] : [...shelves, ...legend(modules, marks), '']
  return [...body, ...hints].join('\n')
}

/** Lmod's cells: a margin of three, one column behind each, and the last two columns of the terminal stay free. */
const MARGIN = '   '
const CELL_GAP = 1
const FREE_COLUMNS = 2

function cellOf(module: OfferedModule, marks: Mark[]): Cell {
  const letters = marks.filter(([, , isSo]) => isSo(module)).map(([letter]) => letter)
  const text = MARGIN + module.text
  return letters.length === 0 ? text : [text, `(${letters.join(',')})`]
}

function legend(modules: OfferedModule[], marks: Mark[]): string[] {
  const used = marks.filter(([, , isSo]) => modules.some(isSo))
  if (used.length === 0) return []
  const lines = used.map(([letter, meaning]) => `   ${letter}:  ${meaning}`).sort()
  return ['', '  Where:', ...lines]
}

interface Shelf {
  title: string
  modules: OfferedModule[]
}

/** Groups modules by store and category. */
function byShelf(modules: OfferedModule[]): Shelf[] {
  const shelves: Shelf[] = []
  let last: OfferedModule | undefined
  for (const module of modules) {
    const { store, name } = module
    if (last?.store.root !== store.root || last.name.category !== name.category)
      shelves.push({ title: `${showStore(store.root)}: ${name.category}`, modules: [] })
    shelves.at(-1)!.modules.push(module)
    last = module
  }
  return shelves
}

/** The name of a folder may contain control characters, so it is escaped for the terminal. */
export const showStore = (root: string): string => showPath(pathFromText(root))

/** Formats one module per line, below a line for each store. */
export function renderTerse(modules: OfferedModule[]): string {
  const lines: string[] = []
  let root: string | undefined
  for (const module of modules) {
    if (module.store.root !== root) lines.push(`${showStore(module.store.root)}:`)
    root = module.store.root
    lines.push(module.text)
  }
  return lines.join('\n')
}

/** Formats the names with their numbers of versions, store by store. */
export function renderOverview(modules: OfferedModule[], width: number): string {
  return byShelf(modules)
    .flatMap(({ title, modules }) => ['', banner(title, width), ...columns(countCells(modules), width)])
    .join('\n')
}

function countCells(modules: OfferedModule[]): Cell[] {
  const counts = new Map<string, number>()
  for (const { name } of modules) {
    const key = `${name.category}/${name.name}`
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return [...counts].map(([name, count]): Cell => [name, `(${count})`])
}

export const offeredJson = (module: OfferedModule): object => ({
  module: module.text,
  store: module.store.root,
  ...(module.remote !== undefined && { remote: module.remote.name }),
  record: module.record,
  kind: module.kind,
  ...(module.summary !== undefined && { summary: module.summary }),
  ...(module.family !== undefined && { family: module.family }),
  ...(module.deprecated !== undefined && { deprecated: module.deprecated }),
  ...(Object.keys(module.labels).length > 0 && { labels: module.labels }),
  default: module.isDefault,
  loaded: module.isLoaded,
  hidden: module.hidden,
  shadowed: module.isShadowed
})
