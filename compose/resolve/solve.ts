/**
 * The solver: a depth-first search over the versions that can meet requests and requirements, best first. So the
 * first answer gives earlier requests the better version. After a failure it jumps back to the last choice that had a
 * part in the failure. Module stacks have tens of members and few ranges. A SAT solver would find any answer; this
 * one finds the preferred one.
 */

import { formatRequirement, type Requirement } from '../../store/module/index.ts'
import { StrataError, WorkLimit } from '../../store/values/index.ts'
import { type Candidates, keyOf } from './candidates.ts'
import type { Chosen, Fault, Wanted } from './fault.ts'
import { satisfies } from './satisfies.ts'

/** Limit of versions that are tried. Real stacks take one for each module. */
const MOST_TRIALS = 20_000
/** Limit of comparisons, which takes some seconds. A stack of a thousand modules takes a million. */
const MOST_STEPS = 20_000_000
/** The shortest reason is among the first faults, except in stacks whose reasons nobody would read. */
const MOST_FAULTS = 2000

export type Solution = { modules: Chosen[] } | { faults: Fault[] }

/**
 * @param work shared by the searches of one answer
 * @returns the modules in the order in which they were wanted, requests first; or all faults
 * @throws StrataError LIMIT_EXCEEDED, and errors of reading records
 */
export async function solve(
  candidates: Candidates,
  requests: Requirement[],
  work = solverWork()
): Promise<Solution> {
  const search = new Search(candidates, work)
  const agenda = requests.map((requirement, request) => ({ requirement, request }))
  const outcome = await search.extend(agenda, new Map())
  return outcome instanceof Set ? { faults: search.faults } : { modules: [...outcome.values()] }
}

/** Work limit of one answer. */
export const solverWork = (): WorkLimit =>
  new WorkLimit(
    MOST_STEPS,
    () =>
      new StrataError('LIMIT_EXCEEDED', {
        message: `no set of versions was found in ${MOST_STEPS} comparisons of modules with each other`,
        hint: 'choose versions yourself: compose add CATEGORY/NAME-VERSION'
      })
  )

type Choice = ReadonlyMap<string, Chosen>

/** Names whose chosen versions had a part in a failure. As long as all of them stay, there is no answer. */
type Culprits = Set<string>

class Search {
  readonly faults: Fault[] = []
  readonly #candidates: Candidates
  readonly #work: WorkLimit
  #trials = 0

  constructor(candidates: Candidates, work: WorkLimit) {
    this.#candidates = candidates
    this.#work = work
  }

  #note(fault: Fault): void {
    if (this.faults.length < MOST_FAULTS) this.faults.push(fault)
  }

  /** Extends the choice by all wanted modules and their requirements. */
  async extend(agenda: Wanted[], choice: Choice): Promise<Choice | Culprits> {
    let next = 0
    for (; next < agenda.length; next++) {
      const wanted = agenda[next]
      this.#work.spend()
      const chosen = choice.get(keyOf(wanted.requirement))
      if (chosen === undefined) break
      if (satisfies(chosen.name, wanted.requirement)) continue
      this.#note({ kind: 'version', wanted, chosen })
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
      this.#work.spend(
        choice.size + rest.length + module.record.conflicts.length + module.record.requires.length
      )
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
    if (!isPublished) this.#note({ kind: 'missing', wanted })
    return culprits
  }

  #whatKeepsOut(module: Chosen, wishes: Wanted[], choice: Choice): string[] | undefined {
    const other = wishes.find(({ requirement }) => !satisfies(module.name, requirement))
    if (other !== undefined) {
      this.#note({ kind: 'wishes', wanted: other, other: module.wanted })
      return wanterOf(other)
    }
    for (const beside of choice.values()) {
      const fault = faultBetween(module, beside)
      if (fault === undefined) continue
      this.#note(fault)
      return [keyOf(beside.name)]
    }
    return undefined
  }

  #count({ requirement }: Wanted): void {
    if (++this.#trials <= MOST_TRIALS) return
    throw new StrataError('LIMIT_EXCEEDED', {
      message: `no set of versions was found among ${MOST_TRIALS} trials`,
      facts: { 'last tried': formatRequirement(requirement) },
      hint: 'choose versions yourself: compose add CATEGORY/NAME-VERSION'
    })
  }
}

const wanterOf = ({ by }: Wanted): string[] => (by === undefined ? [] : [keyOf(by.name)])

const requirementsOf = (chosen: Chosen): Wanted[] =>
  chosen.record.requires.map(requirement => ({ requirement, by: chosen, request: chosen.wanted.request }))

const byKey = new WeakMap<Chosen['record'], Map<string, Requirement[]>>()

/** Conflicts by name, because a record may list thousands. */
function conflictsOf(record: Chosen['record']): Map<string, Requirement[]> {
  const known = byKey.get(record)
  if (known !== undefined) return known
  const conflicts = new Map<string, Requirement[]>()
  for (const conflict of record.conflicts) {
    const same = conflicts.get(keyOf(conflict))
    if (same === undefined) conflicts.set(keyOf(conflict), [conflict])
    else same.push(conflict)
  }
  byKey.set(record, conflicts)
  return conflicts
}

/** A conflict counts in both directions. A module does not conflict with its own name. */
function faultBetween(module: Chosen, other: Chosen): Fault | undefined {
  const names = (one: Chosen, two: Chosen) =>
    keyOf(one.name) !== keyOf(two.name) &&
    (conflictsOf(one.record).get(keyOf(two.name)) ?? []).some(conflict => satisfies(two.name, conflict))
  if (names(module, other) || names(other, module)) return { kind: 'conflict', module, other }
  const { family } = module.record
  return family !== undefined && family === other.record.family
    ? { kind: 'family', module, other }
    : undefined
}
