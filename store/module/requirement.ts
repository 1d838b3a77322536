import { pathFromText, StrataError, showPath } from '../values/index.ts'
import { formatModuleRequest, type ModuleRequest, parseModuleRequest, versionFault } from './name.ts'

/**
 * A module that another one requires or conflicts with: `mpi/openmpi`, `mpi/openmpi-4.1` (as users would ask for it),
 * or a range, `mpi/openmpi >= 4.1, < 5`. All constraints must hold; versions compare in Lmod's order.
 */
export interface Requirement extends RangedRequest {
  constraints: Constraint[]
}

/** A requirement as users type it; most have no range. */
export interface RangedRequest extends ModuleRequest {
  constraints?: Constraint[]
}

export interface Constraint {
  relation: Relation
  version: string
}

export type Relation = '>=' | '<=' | '>' | '<' | '=' | '!='

const EXAMPLE = 'mpi/openmpi >= 4.1, < 5'

/**
 * @param what named in the message: the flag, or the field of a spec
 * @throws StrataError USAGE, or MODULE_NAME for the name before the range
 */
export function parseRequirement(text: string, what: string): Requirement {
  const { module, constraints } = splitRange(text, what)
  return { ...parseModuleRequest(module), constraints }
}

/** The name as it was typed, unchecked, and the range behind it. @throws StrataError USAGE */
export function splitRange(text: string, what: string): { module: string; constraints: Constraint[] } {
  const [, module, range] = /^([^\s<>=!,]*)\s*(.*)/s.exec(text.trim())!
  if (range === '') return { module: text.trim(), constraints: [] }
  if (range.startsWith(',')) throw severalModules(text, what)
  return { module, constraints: range.split(',').map(part => parseConstraint(part.trim(), text, what)) }
}

function parseConstraint(part: string, text: string, what: string): Constraint {
  const found = /^(>=|<=|>|<|=|!=)\s*(\S*)$/.exec(part)
  if (found === null) {
    throw badRange(
      text,
      what,
      `"${showStart(part)}" is not a constraint, wanted one of >= <= > < = != and a version`
    )
  }
  const [, relation, version] = found
  const fault = versionFault(version)
  if (fault !== undefined) throw badRange(text, what, `"${showStart(part)}" ${fault}`)
  return { relation: relation as Relation, version }
}

const badRange = (text: string, what: string, fault: string): StrataError =>
  new StrataError('USAGE', { message: `${what} "${showStart(text)}": ${fault}`, hint: `"${EXAMPLE}"` })

/** A comma joins the bounds of one module: `>= 4.1, < 5`. */
function severalModules(text: string, what: string): StrataError {
  const names = text.split(',').map(name => showStart(name.trim()))
  return new StrataError('USAGE', {
    message: `${what} "${showStart(text)}" names several modules, wanted one`,
    hint: `each by itself: ${names.filter(name => name !== '').join(' ')}; a flag is written again before each`
  })
}

const showStart = (text: string): string => showPath(pathFromText(text.slice(0, 300)))

/** The only text of a requirement in records. */
export function formatRequirement(requirement: RangedRequest): string {
  const range = (requirement.constraints ?? [])
    .map(({ relation, version }) => `${relation} ${version}`)
    .join(', ')
  return range === '' ? formatModuleRequest(requirement) : `${formatModuleRequest(requirement)} ${range}`
}
