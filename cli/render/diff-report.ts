import type { PathDifference } from '../../compose/inspect/index.ts'
import type {
  DiffReport,
  ModuleDifference,
  PackageDifference,
  UnreadPackages
} from '../../compose/outputs/index.ts'
import type { PackageVersion } from '../../store/module/index.ts'
import { count, dropUndefined, type PathBytes, showPath, showText } from '../../store/values/index.ts'
import { pathJson } from './json-values.ts'

const SIGN = { left: '-', right: '+', both: '!' } as const

export const diffJson = ({ packages, unreadPackages, modules, paths }: DiffReport): object => ({
  packages: packages.map(packageJson),
  ...(unreadPackages.length > 0 && { unreadPackages }),
  modules: modules.map(({ name, ...rest }) => ({ module: name, ...rest })),
  paths: paths.map(({ path, ...rest }) => ({ ...pathJson(path), ...rest }))
})

/** @param isWhole name also the paths below folders that only one side has */
export function renderDiff(
  { packages, unreadPackages, modules, paths }: DiffReport,
  isWhole: boolean
): string {
  if (packages.length === 0 && modules.length === 0 && paths.length === 0) return 'no differences'
  const sides = (['left', 'right', 'both'] as const).map(
    side => paths.filter(path => path.side === side).length
  )
  return [
    ...unreadPackages.map(renderUnread),
    ...packages.map(renderPackage),
    ...modules.map(renderModule),
    ...(isWhole ? paths.map(path => renderPath(path)) : renderTops(paths)),
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

const renderPath = ({ path, side, what }: PathDifference, below = 0): string =>
  `${SIGN[side]} /${showPath(path)}${what.length > 0 ? `  ${what.join(', ')}` : ''}${below > 0 ? `  and ${count(below, 'path')} below` : ''}`

/** A folder that only one side has stands for all in it: a base has thousands of paths. */
function renderTops(paths: PathDifference[]): string[] {
  const sides = new Map(paths.map(({ path, side }) => [path, side]))
  const tops = new Map<PathBytes, PathBytes>()
  const below = new Map<PathBytes, number>()
  for (const { path, side } of paths) {
    const parent = path.slice(0, Math.max(0, path.lastIndexOf('/'))) as PathBytes
    const isInside = side !== 'both' && parent !== '' && sides.get(parent) === side
    const top = isInside ? (tops.get(parent) ?? parent) : path
    tops.set(path, top)
    if (isInside) below.set(top, (below.get(top) ?? 0) + 1)
  }
  return paths
    .filter(({ path }) => tops.get(path) === path)
    .map(path => renderPath(path, below.get(path.path)))
}
