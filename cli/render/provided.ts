import type { MarkedProvider, Providers } from '../../compose/find/index.ts'
import { formatModuleName } from '../../store/module/index.ts'
import { showPath } from '../../store/values/index.ts'
import { pathJson } from './json-values.ts'

const GAP = '  '

/** One line for each provider: module and marks, kind, path. */
export function renderProvided(providers: MarkedProvider[]): string {
  const rows = providers.map(provider => [markedName(provider), provider.kind, `/${showPath(provider.path)}`])
  const widths = [0, 1].map(column => Math.max(...rows.map(row => row[column].length)))
  return rows
    .map(([name, kind, path]) => [name.padEnd(widths[0]), kind.padEnd(widths[1]), path].join(GAP))
    .join('\n')
}

function markedName({ module, isLoaded }: MarkedProvider): string {
  const marks = [...(module.hidden ? ['H'] : []), ...(isLoaded ? ['L'] : [])]
  return formatModuleName(module.name) + (marks.length > 0 ? ` (${marks.join(',')})` : '')
}

export const providedJson = ({ providers, unsearched }: Pick<Providers, 'providers' | 'unsearched'>) => ({
  providers: providers.map(({ module, path, kind, isLoaded }) => ({
    module: formatModuleName(module.name),
    store: module.store.root,
    ...pathJson(path),
    kind,
    loaded: isLoaded,
    hidden: module.hidden
  })),
  unsearched
})
