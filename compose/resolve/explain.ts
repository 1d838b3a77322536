/** A stack that cannot be, told with the shortest chain of reasons, in Lmod's words where it has some. */
import { StrataError } from '../../store/errors.ts'
import { unknownModule } from '../../store/module/find-module.ts'
import { formatModuleName } from '../../store/module/name.ts'
import { formatRequirement, type Requirement } from '../../store/module/requirement.ts'
import { type Candidates, keyOf } from './candidates.ts'
import { type Fault, reasonsOf, simplest, type Wanted } from './fault.ts'
import { solve } from './solve.ts'

/** Versions that a message lists. */
const SHOWN_VERSIONS = 8

/** @param requests that have no solution */
export async function explain(candidates: Candidates, requests: Requirement[]): Promise<StrataError> {
  const core = await smallestCore(candidates, requests)
  const solution = await solve(candidates, core)
  if (!('faults' in solution)) throw new TypeError('there is a solution')
  return errorOf(candidates, simplest(solution.faults))
}

/** Requests that have no solution together, and have one without any of them: the others need no telling. */
async function smallestCore(candidates: Candidates, requests: Requirement[]): Promise<Requirement[]> {
  let core = requests
  for (const request of requests) {
    const rest = core.filter(other => other !== request)
    if ('faults' in (await solve(candidates, rest))) core = rest
  }
  return core
}

function errorOf(candidates: Candidates, fault: Fault): StrataError {
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

function missing(candidates: Candidates, wanted: Wanted, because: string[]): StrataError {
  const { requirement, by } = wanted
  if (by === undefined) return unknownModule(candidates.store, requirement)
  const versions = candidates.versions(requirement).map(({ version }) => version)
  return new StrataError('MODULE_CONFLICT', {
    message: `Cannot load module "${formatModuleName(by.name)}" without these module(s) loaded: ${formatRequirement(requirement)}`,
    facts: { because, published: versions.length > 0 ? versions.slice(0, SHOWN_VERSIONS) : 'no version' },
    hint: 'COMPOSE_PATH names further stores to look in'
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
    hint: 'one version of a name at a time: choose one that fits all'
  })
