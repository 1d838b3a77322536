import type { PathDifference } from '../../compose/inspect/index.ts'
import type { DiffReport, ModuleDifference } from '../../compose/outputs/index.ts'
import { count, showPath } from '../../store/values/index.ts'
import { pathJson } from './json-values.ts'

const SIGN = { left: '-', right: '+', both: '!' } as const

export const diffJson = ({ modules, paths }: DiffReport): object => ({
  modules: modules.map(({ name, ...rest }) => ({ module: name, ...rest })),
  paths: paths.map(({ path, ...rest }) => ({ ...pathJson(path), ...rest }))
})

export function renderDiff({ modules, paths }: DiffReport): string {
  if (modules.length === 0 && paths.length === 0) return 'no differences'
  const sides = (['left', 'right', 'both'] as const).map(
    side => paths.filter(path => path.side === side).length
  )
  return [
    ...modules.map(renderModule),
    ...paths.map(renderPath),
    `${count(sides[0], 'path')} only in the first, ${sides[1]} only in the second, ${sides[2]} different`
  ].join('\n')
}

const renderModule = ({ name, left, right }: ModuleDifference): string =>
  `module ${name}: ${left ?? 'missing'} -> ${right ?? 'missing'}`

const renderPath = ({ path, side, what }: PathDifference): string =>
  `${SIGN[side]} /${showPath(path)}${what.length > 0 ? `  ${what.join(', ')}` : ''}`
