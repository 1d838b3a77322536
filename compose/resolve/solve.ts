/**
 * The solver: a depth-first search over the versions that requests and requirements may become, best first, so that
 * the first answer is the one that gives earlier requests the better version. Module stacks have tens of members and
 * few ranges; a SAT solver would find any answer, and this one finds the preferred one.
 */
import { StrataError } from '../../store/errors.ts'
import { formatRequirement, type Requirement } from '../../store/module/requirement.ts'
import { type Candidates, keyOf } from './candidates.ts'
import type { Chosen, Fault, Wanted } from './fault.ts'
import { satisfies } from './satisfies.ts'

/** Versions tried, over all: some seconds. Real stacks take one for each module. */
const MOST_TRIALS = 20_000

export type Solution = { modules: Chosen[] } | { faults: Fault[] }

/**
 * @returns the modules in the order in which they were wanted, requests first; or all that stood in the way
 * @throws StrataError LIMIT_EXCEEDED; whatever reading a record throws
 */
export async function solve(candidates: Candidates, requests: Requirement[]): Promise<Solution> {
  const search = new Search(candidates)
  const modules = await search.extend(
    requests.map((requirement, request) => ({ requirement, request })),
    new Map()
  )
  return modules === undefined ? { faults: search.faults } : { modules: [...modules.values()] }
}

type Choice = ReadonlyMap<string, Chosen>

class Search {
  readonly faults: Fault[] = []
  readonly #candidates: Candidates
  #trials = 0

  constructor(candidates: Candidates) {
    this.#candidates = candidates
  }

  /** The choice with everything that is wanted, and what that requires; undefined where that cannot be. */
  async extend(agenda: Wanted[], choice: Choice): Promise<Choice | undefined> {
    let next = 0
    for (; next < agenda.length; next++) {
      const chosen = choice.get(keyOf(agenda[next].requirement))
      if (chosen === undefined) break
      if (!satisfies(chosen.name, agenda[next].requirement)) {
        this.faults.push({ kind: 'version', wanted: agenda[next], chosen })
        return undefined
      }
    }
    if (next === agenda.length) return choice
    return this.#choose(agenda[next], agenda.slice(next + 1), choice)
  }

  async #choose(wanted: Wanted, rest: Wanted[], choice: Choice): Promise<Choice | undefined> {
    const key = keyOf(wanted.requirement)
    const wishes = rest.filter(({ requirement }) => keyOf(requirement) === key)
    let isPublished = false
    for await (const module of this.#candidates.fitting(wanted.requirement)) {
      isPublished = true
      this.#count(wanted)
      const other = wishes.find(({ requirement }) => !satisfies(module.name, requirement))
      if (other !== undefined) {
        this.faults.push({ kind: 'wishes', wanted: other, other: wanted })
        continue
      }
      const chosen: Chosen = { ...module, wanted }
      if (!this.#fitsBeside(chosen, choice)) continue
      const found = await this.extend([...rest, ...requirementsOf(chosen)], new Map([...choice, [key, chosen]]))
      if (found !== undefined) return found
    }
    if (!isPublished) this.faults.push({ kind: 'missing', wanted })
    return undefined
  }

  #fitsBeside(module: Chosen, choice: Choice): boolean {
    for (const other of choice.values()) {
      const fault = faultBetween(module, other)
      if (fault === undefined) continue
      this.faults.push(fault)
      return false
    }
    return true
  }

  #count({ requirement }: Wanted): void {
    if (++this.#trials <= MOST_TRIALS) return
    throw new StrataError('LIMIT_EXCEEDED', {
      message: `no set of versions was found among ${MOST_TRIALS} trials`,
      facts: { 'last tried': formatRequirement(requirement) },
      hint: 'name versions: compose add CATEGORY/NAME-VERSION'
    })
  }
}

const requirementsOf = (chosen: Chosen): Wanted[] =>
  chosen.record.requires.map(requirement => ({ requirement, by: chosen, request: chosen.wanted.request }))

/** Conflicts hold both ways, whoever names the other. A module does not conflict with its own name. */
function faultBetween(module: Chosen, other: Chosen): Fault | undefined {
  const names = (one: Chosen, two: Chosen) =>
    keyOf(one.name) !== keyOf(two.name) && one.record.conflicts.some(conflict => satisfies(two.name, conflict))
  if (names(module, other) || names(other, module)) return { kind: 'conflict', module, other }
  const { family } = module.record
  return family !== undefined && family === other.record.family ? { kind: 'family', module, other } : undefined
}
