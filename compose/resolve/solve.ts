/**
 * The solver: a depth-first search over the versions that requests and requirements may become, best first, so that
 * the first answer is the one that gives earlier requests the better version. Where it fails it jumps back to the
 * last choice that had a part in the failure, not just to the last one. Module stacks have tens of members and few
 * ranges; a SAT solver would find any answer, and this finds the preferred one.
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
  const agenda = requests.map((requirement, request) => ({ requirement, request }))
  const outcome = await search.extend(agenda, new Map())
  return outcome instanceof Set ? { faults: search.faults } : { modules: [...outcome.values()] }
}

type Choice = ReadonlyMap<string, Chosen>

/** Names whose chosen versions had a part in a failure: with all of them as they are, there is no answer. */
type Culprits = Set<string>

class Search {
  readonly faults: Fault[] = []
  readonly #candidates: Candidates
  #trials = 0

  constructor(candidates: Candidates) {
    this.#candidates = candidates
  }

  /** The choice with everything that is wanted, and what that requires. */
  async extend(agenda: Wanted[], choice: Choice): Promise<Choice | Culprits> {
    let next = 0
    for (; next < agenda.length; next++) {
      const wanted = agenda[next]
      const chosen = choice.get(keyOf(wanted.requirement))
      if (chosen === undefined) break
      if (satisfies(chosen.name, wanted.requirement)) continue
      this.faults.push({ kind: 'version', wanted, chosen })
      return new Set([keyOf(chosen.name), ...wanterOf(wanted)])
    }
    return next === agenda.length ? choice : this.#choose(agenda[next], agenda.slice(next + 1), choice)
  }

  async #choose(wanted: Wanted, rest: Wanted[], choice: Choice): Promise<Choice | Culprits> {
    const key = keyOf(wanted.requirement)
    const wishes = rest.filter(({ requirement }) => keyOf(requirement) === key)
    const culprits: Culprits = new Set(wanterOf(wanted))
    let isPublished = false
    for await (const module of this.#candidates.fitting(wanted.requirement)) {
      isPublished = true
      this.#count(wanted)
      const chosen: Chosen = { ...module, wanted }
      const inTheWay = this.#whatKeepsOut(chosen, wishes, choice)
      if (inTheWay !== undefined) {
        for (const name of inTheWay) culprits.add(name)
        continue
      }
      const found = await this.extend(
        [...rest, ...requirementsOf(chosen)],
        new Map([...choice, [key, chosen]])
      )
      if (!(found instanceof Set) || !found.has(key)) return found
      for (const name of found) if (name !== key) culprits.add(name)
    }
    if (!isPublished) this.faults.push({ kind: 'missing', wanted })
    return culprits
  }

  #whatKeepsOut(module: Chosen, wishes: Wanted[], choice: Choice): string[] | undefined {
    const other = wishes.find(({ requirement }) => !satisfies(module.name, requirement))
    if (other !== undefined) {
      this.faults.push({ kind: 'wishes', wanted: other, other: module.wanted })
      return wanterOf(other)
    }
    for (const beside of choice.values()) {
      const fault = faultBetween(module, beside)
      if (fault === undefined) continue
      this.faults.push(fault)
      return [keyOf(beside.name)]
    }
    return undefined
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

const wanterOf = ({ by }: Wanted): string[] => (by === undefined ? [] : [keyOf(by.name)])

const requirementsOf = (chosen: Chosen): Wanted[] =>
  chosen.record.requires.map(requirement => ({ requirement, by: chosen, request: chosen.wanted.request }))

/** Conflicts hold both ways, whoever names the other. A module does not conflict with its own name. */
function faultBetween(module: Chosen, other: Chosen): Fault | undefined {
  const names = (one: Chosen, two: Chosen) =>
    keyOf(one.name) !== keyOf(two.name) &&
    one.record.conflicts.some(conflict => satisfies(two.name, conflict))
  if (names(module, other) || names(other, module)) return { kind: 'conflict', module, other }
  const { family } = module.record
  return family !== undefined && family === other.record.family
    ? { kind: 'family', module, other }
    : undefined
}
