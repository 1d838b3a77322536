import { formatModuleName, type ModuleKind } from '../../store/module/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { keyOf, type ResolvedModule } from './candidates.ts'
import { satisfies } from './satisfies.ts'

// Not MODULE_KINDS, because its file loads all decoders of manifests, which `compose add` does not need.
const BOTTOM_UP: ModuleKind[] = ['base', 'library', 'application']

/**
 * Orders modules for merging. The next is always the first module, by kind and then as given, whose requirements are
 * already placed.
 * @throws StrataError MODULE_CONFLICT with the shortest circle of requirements
 */
export function layingOrder<T extends ResolvedModule>(modules: T[]): T[] {
  const waiting = BOTTOM_UP.flatMap(kind => modules.filter(({ record }) => record.kind === kind))
  const required = requirementsAmong(waiting)
  const missing = required.map(others => others.length)
  const dependents = waiting.map((): number[] => [])
  for (const [i, others] of required.entries()) for (const other of others) dependents[other].push(i)
  const placed: T[] = []
  const ready = waiting.flatMap((_, i) => (missing[i] === 0 ? [i] : [])).reverse()
  for (let next = ready.pop(); next !== undefined; next = ready.pop()) {
    placed.push(waiting[next])
    for (const dependent of dependents[next]) if (--missing[dependent] === 0) insert(ready, dependent)
  }
  if (placed.length < waiting.length) throw inACircle(waiting.filter((_, i) => missing[i] > 0))
  return placed
}

/** Inserts into a list in descending order. */
function insert(list: number[], value: number): void {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (list[middle] > value) low = middle + 1
    else high = middle
  }
  list.splice(low, 0, value)
}

/** For each module, the indexes of the modules that it requires. */
function requirementsAmong(modules: ResolvedModule[]): number[][] {
  const places = new Map<string, number[]>()
  for (const [i, { name }] of modules.entries())
    places.set(keyOf(name), [...(places.get(keyOf(name)) ?? []), i])
  return modules.map(({ record }) => {
    const found = record.requires.flatMap(requirement =>
      (places.get(keyOf(requirement)) ?? []).filter(i => satisfies(modules[i].name, requirement))
    )
    return [...new Set(found)].sort((a, b) => a - b)
  })
}

/**
 * Requirements that are followed to find the shortest circle: of any modules, and more for each module and requirement. In a
 * larger tangle the shortest one found so far is reported.
 */
const STEPS = 10_000
const STEPS_EACH = 16

function inACircle(modules: ResolvedModule[]): StrataError {
  const required = requirementsAmong(modules)
  const edges = required.reduce((sum, { length }) => sum + length, 0)
  const steps = { left: STEPS + STEPS_EACH * (modules.length + edges) }
  let shortest: number[] = []
  for (let start = 0; start < modules.length && steps.left > 0; start++) {
    const circle = circleFrom(start, required, steps)
    if (circle !== undefined && (shortest.length === 0 || circle.length < shortest.length)) shortest = circle
  }
  const names = [...shortest, ...shortest.slice(0, 1)].map(place => formatModuleName(modules[place].name))
  return new StrataError('MODULE_CONFLICT', {
    message: 'these modules require each other in a circle, so that none can come first:',
    facts: { because: names.slice(1).map((name, i) => `${names[i]} requires ${name}`) },
    hint: 'compose show MODULE prints what a module requires'
  })
}

/**
 * The shortest path from a module back to itself, by breadth-first search.
 * @param steps counted down; a search that was begun is ended
 */
function circleFrom(start: number, required: number[][], steps: { left: number }): number[] | undefined {
  const cameFrom = new Map<number, number>()
  for (let at = [start]; at.length > 0; ) {
    const further: number[] = []
    for (const place of at)
      for (const next of required[place]) {
        steps.left--
        if (next === start) return wayTo(place, start, cameFrom)
        if (cameFrom.has(next)) continue
        cameFrom.set(next, place)
        further.push(next)
      }
    at = further
  }
  return undefined
}

function wayTo(end: number, start: number, cameFrom: Map<number, number>): number[] {
  const way: number[] = []
  for (let at = end; at !== start; at = cameFrom.get(at)!) way.push(at)
  return [start, ...way.reverse()]
}
