/** Explains why a stack cannot be resolved by the shortest chain of reasons, in Lmod's words where it has some. */

import { formatModuleName, formatRequirement, type Requirement } from '../../store/module/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { type Candidates, keyOf } from './candidates.ts'
import { type Fault, reasonsOf, simplest, type Wanted } from './fault.ts'
import { solve, solverWork } from './solve.ts'

/** Number of versions that a message lists. */
const SHOWN_VERSIONS = 8

/**
 * @param requests that have no solution
 * @param faults that the solver met
 */
export async function explain(
  candidates: Candidates,
  requests: Requirement[],
  faults: Fault[]
): Promise<StrataError> {
  return errorOf(candidates, simplest(await faultsOfCore(candidates, requests, faults)))
}

/**
 * The faults of the smallest part of the requests that has no solution, but has one if any of them is left out. The
 * other requests are not worth mentioning. A part that takes too much work to shrink is used as it is.
 */
async function faultsOfCore(
  candidates: Candidates,
  requests: Requirement[],
  faults: Fault[]
): Promise<Fault[]> {
  const work = solverWork()
  let core = requests
  let ofCore = faults
  try {
    for (const request of requests) {
      const rest = core.filter(other => other !== request)
      const solution = await solve(candidates, rest, work)
      if (!('faults' in solution)) continue
      core = rest
      ofCore = solution.faults
    }
  } catch (error) {
    if (!(error instanceof StrataError && error.code === 'LIMIT_EXCEEDED')) throw error
  }
  return ofCore
}

function errorOf(candidates: Candidates, fault: Fault): StrataError | Promise<StrataError> {
  const because = reasonsOf(fault)
  switch (fault.kind) {
    case 'missing':
      return missing(candidates, fault.wanted, because)
    case 'conflict':
      return besides(
        fault,
        because,
        `leave one out: compose swap ${keyOf(fault.other.name)} ${keyOf(fault.module.name)}`
      )
    case 'family':
      return besides(fault, because, `choose one module of the family ${fault.module.record.family}`)
    case 'version':
      return oneVersion(fault.wanted, formatModuleName(fault.chosen.name), because)
    case 'wishes':
      return oneVersion(fault.wanted, formatRequirement(fault.other.requirement), because)
  }
}

async function missing(candidates: Candidates, wanted: Wanted, because: string[]): Promise<StrataError> {
  const { requirement, by } = wanted
  if (by === undefined) return candidates.store.unknownModule(requirement)
  const versions = candidates.versions(requirement).map(({ version }) => version)
  return new StrataError('MODULE_CONFLICT', {
    message: `Cannot load module "${formatModuleName(by.name)}" without these module(s) loaded: ${formatRequirement(requirement)}`,
    facts: { because, published: versions.length > 0 ? versions.slice(0, SHOWN_VERSIONS) : 'no version' },
    hint: `if another store has the module, add that store to COMPOSE_PATH; if it was here, compose history ${formatModuleName({ ...requirement, version: requirement.version ?? 'VERSION' })} shows how it comes back`
  })
}

const besides = (
  { module, other }: Extract<Fault, { kind: 'conflict' | 'family' }>,
  because: string[],
  hint: string
): StrataError =>
  new StrataError('MODULE_CONFLICT', {
    message: `Cannot load module "${formatModuleName(module.name)}" because these module(s) are loaded: ${formatModuleName(other.name)}`,
    facts: { because },
    hint
  })

const oneVersion = ({ requirement }: Wanted, other: string, because: string[]): StrataError =>
  new StrataError('MODULE_CONFLICT', {
    message: `These module(s) exist but cannot be loaded as requested: "${formatRequirement(requirement)}" beside "${other}"`,
    facts: { because },
    hint: 'a stack holds one version of a name: choose one that fits all'
  })
