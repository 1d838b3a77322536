import type { PathDifference } from '../../compose/inspect/index.ts'
import type {
  DiffReport,
  ModuleDifference,
  PackageDifference,
  UnreadPackages
} from '../../compose/outputs/index.ts'
import type { PackageVersion } from '../../store/module/index.ts'
import { count, dropUndefined, showPath, showText } from '../../store/values/index.ts'
import { pathJson } from './json-values.ts'

const SIGN = { left: '-', right: '+', both: '!' } as const

export const diffJson = ({ packages, unreadPackages, modules, paths }: DiffReport): object => ({
  packages: packages.map(packageJson),
  ...(unreadPackages.length > 0 && { unreadPackages }),
  modules: modules.map(({ name, ...rest }) => ({ module: name, ...rest })),
  paths: paths.map(({ path, ...rest }) => ({ ...pathJson(path), ...rest }))
})

export function renderDiff({ packages, unreadPackages, modules, paths }: DiffReport): string {
  if (packages.length === 0 && modules.length === 0 && paths.length === 0) return 'no differences'
  const sides = (['left', 'right', 'both'] as const).map(
    side => paths.filter(path => path.side === side).length
  )
  return [
    ...unreadPackages.map(renderUnread),
    ...packages.map(renderPackage),
    ...modules.map(renderModule),
    ...paths.map(renderPath),
    `${count(sides[0], 'path')} only in the first, ${sides[1]} only in the second, ${sides[2]} different`
  ].join('\n')
}

const packageJson = ({ manager, name, left, right }: PackageDifference): object => ({
  ...{ manager, name },
  ...(left !== undefined && { left: versionJson(left) }),
  ...(right !== undefined && { right: versionJson(right) })
})

const versionJson = ({ version, architecture }: PackageVersion): object =>
  dropUndefined({ version, architecture })

const renderUnread = ({ manager, side, why }: UnreadPackages): string =>
  `packages of ${manager} were not compared, because of the ${side === 'left' ? 'first' : 'second'}: ${why}`

const renderPackage = ({ name, left, right }: PackageDifference): string =>
  `package ${showText(name)}: ${renderVersion(left)} -> ${renderVersion(right)}`

const renderVersion = (found: PackageVersion | undefined): string =>
  found === undefined
    ? 'missing'
    : showText([found.version, found.architecture].filter(word => word !== undefined).join(' '))

const renderModule = ({ name, left, right }: ModuleDifference): string =>
  `module ${name}: ${left ?? 'missing'} -> ${right ?? 'missing'}`

const renderPath = ({ path, side, what }: PathDifference): string =>
  `${SIGN[side]} /${showPath(path)}${what.length > 0 ? `  ${what.join(', ')}` : ''}`
