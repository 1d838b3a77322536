import { StrataError } from '../../store/errors.ts'
import { formatModuleName } from '../../store/module/name.ts'
import type { ModuleKind } from '../../store/module/settings.ts'
import type { ResolvedModule } from './candidates.ts'
import { satisfies } from './satisfies.ts'

// Not MODULE_KINDS: its file brings along all that decodes manifests, which `compose add` does without.
const BOTTOM_UP: ModuleKind[] = ['base', 'library', 'application']

/**
 * The order in which modules are laid over each other: the next is the first, by kind and then as given, whose
 * requirements are placed.
 * @throws StrataError MODULE_CONFLICT with the shortest circle of requirements
 */
export function layingOrder<T extends ResolvedModule>(modules: T[]): T[] {
  const waiting = BOTTOM_UP.flatMap(kind => modules.filter(({ record }) => record.kind === kind))
  const placed: T[] = []
  while (waiting.length > 0) {
    const next = waiting.findIndex(module => requiredOf(module, waiting).length === 0)
    if (next < 0) throw inACircle(waiting)
    placed.push(...waiting.splice(next, 1))
  }
  return placed
}

const requiredOf = <T extends ResolvedModule>({ record }: T, among: T[]): T[] =>
  among.filter(({ name }) => record.requires.some(requirement => satisfies(name, requirement)))

function inACircle(modules: ResolvedModule[]): StrataError {
  const circles = modules.map(module => circleFrom(module, modules)).filter(circle => circle !== undefined)
  const circle = circles.reduce((best, other) => (other.length < best.length ? other : best))
  const names = [...circle, circle[0]].map(({ name }) => formatModuleName(name))
  return new StrataError('MODULE_CONFLICT', {
    message: 'these modules require each other in a circle, so that none can come first:',
    facts: { because: names.slice(1).map((name, i) => `${names[i]} requires ${name}`) },
    hint: 'compose show MODULE tells what each requires'
  })
}

/** The shortest way from a module back to itself, breadth first. */
function circleFrom(start: ResolvedModule, modules: ResolvedModule[]): ResolvedModule[] | undefined {
  const seen = new Set<ResolvedModule>()
  for (let ways = [[start]]; ways.length > 0; ) {
    const longer: ResolvedModule[][] = []
    for (const way of ways)
      for (const next of requiredOf(way.at(-1)!, modules)) {
        if (next === start) return way
        if (seen.has(next)) continue
        seen.add(next)
        longer.push([...way, next])
      }
    ways = longer
  }
  return undefined
}
