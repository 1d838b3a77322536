/** Why modules do not go together, as the solver meets it: pairs, and how each of the pair came in. */
import { formatModuleName, formatRequirement, type Requirement } from '../../store/module/index.ts'
import type { ResolvedModule } from './candidates.ts'

/** What has to be met: a user's request, or what a chosen module requires. */
export interface Wanted {
  requirement: Requirement
  /** Who requires it; undefined for a request. */
  by?: Chosen
  /** Place of the request in the list that it came from, or that led to it. */
  request: number
}

/** A module on trial, and the first thing that it was chosen for. */
export interface Chosen extends ResolvedModule {
  wanted: Wanted
}

export type Fault =
  /** Nothing published fits. */
  | { kind: 'missing'; wanted: Wanted }
  /** One version of a name, and this one is not it. */
  | { kind: 'version'; wanted: Wanted; chosen: Chosen }
  /** Two wishes for versions of one name that nothing published meets together. */
  | { kind: 'wishes'; wanted: Wanted; other: Wanted }
  | { kind: 'conflict'; module: Chosen; other: Chosen }
  | { kind: 'family'; module: Chosen; other: Chosen }

/** From the request down: `app/vasp-6.4 requires mpi/openmpi >= 4`, a line a step. */
export function reasonOf(wanted: Wanted): string[] {
  const reasons: string[] = []
  for (let at = wanted; ; at = at.by.wanted) {
    const text = formatRequirement(at.requirement)
    if (at.by === undefined) return [...reasons, `${text} is asked for`].reverse()
    reasons.push(`${formatModuleName(at.by.name)} requires ${text}`)
  }
}

const partsOf = (fault: Fault): Wanted[] => {
  switch (fault.kind) {
    case 'missing':
      return [fault.wanted]
    case 'version':
      return [fault.chosen.wanted, fault.wanted]
    case 'wishes':
      return [fault.other, fault.wanted]
    default:
      return [fault.other.wanted, fault.module.wanted]
  }
}

/** The steps that lead to a fault, each once. */
export const reasonsOf = (fault: Fault): string[] => [...new Set(partsOf(fault).flatMap(reasonOf))]

/** The fault that takes the fewest steps to tell; of equals the first that was met. */
export const simplest = (faults: Fault[]): Fault =>
  faults
    .map(fault => ({ fault, steps: reasonsOf(fault).length }))
    .reduce((best, other) => (other.steps < best.steps ? other : best)).fault
