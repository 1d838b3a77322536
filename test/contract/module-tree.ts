import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { versionKey } from '../../store/module/version-order.ts'
import { type QuickModule, quickPublish } from '../helpers/quick-store.ts'

/** The same modules twice: as modulefiles for Lmod, and published for us. */

export interface TreeModule {
  /** `category/name` */
  name: string
  versions: string[]
  default?: string
  hidden?: string[]
  /** The same for all versions. */
  family?: string
  conflicts?: string[]
  /** In the form of a record: `lib/a`, `lib/a-2.1`, `lib/a >= 2, < 3`. */
  requires?: string[]
}

/** `lib/a-2.1` is `lib/a/2.1` there. */
export const toLmod = (name: string): string => name.replace(/-(?=[0-9](?!.*-[0-9]))/, '/')
export const fromLmod = (name: string): string => name.replace(/\/(?=[^/]*$)/, '-')

/** Modulefiles below a folder that MODULEPATH names. */
export function writeModulefiles(root: string, modules: TreeModule[]): void {
  for (const module of modules) {
    const body = modulefile(module)
    for (const version of module.versions) write(join(root, module.name, `${version}.lua`), body)
    const settings = [
      ...(module.default === undefined ? [] : [`module_version("${module.default}", "default")`]),
      ...(module.hidden ?? []).map(version => `hide_version("${module.name}/${version}")`)
    ]
    if (settings.length > 0) write(join(root, module.name, '.modulerc.lua'), `${settings.join('\n')}\n`)
  }
}

const modulefile = ({ family, conflicts = [], requires = [] }: TreeModule): string =>
  [
    ...(family === undefined ? [] : [`family("${family}")`]),
    ...conflicts.map(name => `conflict("${name}")`),
    ...requires.map(text => `depends_on(${lmodRequirement(text)})`),
    ''
  ].join('\n')

function lmodRequirement(text: string): string {
  const range = /^(\S+) >= (\S+?)(?:, < (\S+))?$/.exec(text)
  if (range === null) return `"${toLmod(text)}"`
  const [, name, lowest, below] = range
  return below === undefined
    ? `atleast("${name}", "${lowest}")`
    : `between("${name}", "${lowest}", "${below}<")`
}

/** Into a store that is there. */
export function publish(root: string, modules: TreeModule[]): void {
  for (const { name, versions, default: marked, hidden, ...rest } of modules) {
    for (const version of versions) {
      const module: QuickModule = { ...rest, hidden: hidden?.includes(version) ?? false }
      quickPublish(root, `${name}-${version}`, module)
    }
    if (marked !== undefined) write(join(root, 'refs/defaults', name), `${marked}\n`)
  }
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

/** A generator that gives the same on every machine. */
export function randomFrom(seed: number) {
  let state = seed
  const below = (limit: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
  return {
    below,
    chance: (percent: number): boolean => below(100) < percent,
    pick: <T>(list: readonly T[]): T => list[below(list.length)]
  }
}

export type Random = ReturnType<typeof randomFrom>

/**
 * Some versions of one name, in Lmod's grammar and ours, each once. None begins with 0: among the defaults of several
 * roots Lmod takes `0-beta` for the highest, because it marks a default by overwriting the key's first character.
 */
export function randomVersions(random: Random, most: number): string[] {
  const versions = new Map<string, string>()
  for (let n = 1 + random.below(most); n > 0; n--) {
    const rest = Array.from({ length: random.below(3) }, () => random.below(random.pick([4, 4, 30])))
    const numbers = [1 + random.below(random.pick([4, 4, 30])), ...rest].join('.')
    const version = numbers + random.pick(['', '', '', '', '', '-beta', '-rc1', 'a', 'dev'])
    versions.set(versionKey(version), version) // of two that it holds for equal, Lmod takes either
  }
  return [...versions.values()]
}
