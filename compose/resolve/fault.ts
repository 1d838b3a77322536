/**
 * Reasons why modules do not fit together, as the solver meets them: pairs, and the way in which each module of the
 * pair came in.
 */
import { formatModuleName, formatRequirement, type Requirement } from '../../store/module/index.ts'
import type { ResolvedModule } from './candidates.ts'

/** A requirement to meet: a request of the user, or a requirement of a chosen module. */
export interface Wanted {
  requirement: Requirement
  /** The module that requires it; undefined for a request. */
  by?: Chosen
  /** Index of the request in the list that led to it. */
  request: number
}

/** A module that the solver tries, and the first requirement that it was chosen for. */
export interface Chosen extends ResolvedModule {
  wanted: Wanted
}

export type Fault =
  /** No published module fits. */
  | { kind: 'missing'; wanted: Wanted }
  /** One version of a name is chosen, and it does not fit. */
  | { kind: 'version'; wanted: Wanted; chosen: Chosen }
  /** Two requirements for one name that no published version meets together. */
  | { kind: 'wishes'; wanted: Wanted; other: Wanted }
  | { kind: 'conflict'; module: Chosen; other: Chosen }
  | { kind: 'family'; module: Chosen; other: Chosen }

/** The chain from the request down, one step per line: `app/vasp-6.4 requires mpi/openmpi >= 4`. */
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

/** The fault with the fewest steps; the first of equal ones. */
export const simplest = (faults: Fault[]): Fault =>
  faults
    .map(fault => ({ fault, steps: reasonsOf(fault).length }))
    .reduce((best, other) => (other.steps < best.steps ? other : best)).fault
