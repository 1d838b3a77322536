/**
 * What a user asked for, into modules in the order they are laid over each other: base first, then libraries, then
 * applications, each after what it requires, and otherwise as asked for.
 */
import type { CID } from 'multiformats/cid'
import { StrataError } from '../../store/errors.ts'
import { readRecord } from '../../store/manifests.ts'
import { findModule } from '../../store/module/find-module.ts'
import { formatModuleName, matchesVersion, type ModuleName, type ModuleRequest } from '../../store/module/name.ts'
import type { ModuleRecord } from '../../store/module/record.ts'
import { type Constraint, formatRequirement, type Requirement } from '../../store/module/requirement.ts'
import { MODULE_KINDS } from '../../store/module/settings.ts'
import { compareVersions } from '../../store/module/version-order.ts'
import type { Store } from '../../store/store.ts'

export interface ResolvedModule {
  name: ModuleName
  id: CID
  record: ModuleRecord
}

/**
 * @throws StrataError MODULE_UNKNOWN; MODULE_CONFLICT: two versions of one name, a conflict, a second of a family,
 *   a requirement that is not met, or requirements in a circle
 */
export async function resolveStack(store: Store, requests: ModuleRequest[]): Promise<ResolvedModule[]> {
  const chosen: ResolvedModule[] = []
  for (const request of requests) {
    const { name, record: id } = findModule(store, request)
    if (chosen.some(module => module.id.equals(id))) continue
    chosen.push({ name, id, record: await readRecord(store, id) })
  }
  for (const module of chosen) checkBeside(module, chosen)
  return ordered(chosen)
}

/** Lmod's words where it has some. */
function checkBeside({ name, record }: ResolvedModule, chosen: ResolvedModule[]): void {
  const own = formatModuleName(name)
  const others = chosen.filter(other => formatModuleName(other.name) !== own)
  const clash = (which: ResolvedModule[], hint: string) => {
    if (which.length === 0) return
    throw new StrataError('MODULE_CONFLICT', {
      message: `Cannot load module "${own}" because these module(s) are loaded:`,
      facts: { loaded: which.map(other => formatModuleName(other.name)) },
      hint
    })
  }
  clash(
    others.filter(other => other.name.category === name.category && other.name.name === name.name),
    'choose one version'
  )
  clash(
    others.filter(other => record.conflicts.some(conflict => satisfies(other.name, conflict))),
    'leave one of them out'
  )
  clash(
    others.filter(other => record.family !== undefined && other.record.family === record.family),
    `choose one module of the family ${record.family}`
  )
  const missing = record.requires.filter(requirement => !others.some(other => satisfies(other.name, requirement)))
  if (missing.length > 0)
    throw new StrataError('MODULE_CONFLICT', {
      message: `Cannot load module "${own}" without these module(s) loaded:`,
      facts: { missing: missing.map(formatRequirement) },
      hint: `name them too: ${missing.map(({ category, name: wanted }) => `${category}/${wanted}`).join(' ')}`
    })
}

export const satisfies = (name: ModuleName, requirement: Requirement): boolean =>
  name.category === requirement.category &&
  name.name === requirement.name &&
  matchesVersion(requirement.version, name.version) &&
  requirement.constraints.every(constraint => holds(name.version, constraint))

function holds(version: string, { relation, version: bound }: Constraint): boolean {
  const order = compareVersions(version, bound)
  switch (relation) {
    case '>=':
      return order >= 0
    case '<=':
      return order <= 0
    case '>':
      return order > 0
    case '<':
      return order < 0
    case '=':
      return order === 0
    case '!=':
      return order !== 0
  }
}

/** A stable topological order: the next is the first, by kind and then as asked for, whose requirements are placed. */
function ordered(chosen: ResolvedModule[]): ResolvedModule[] {
  const byKind = MODULE_KINDS.flatMap(kind => chosen.filter(({ record }) => record.kind === kind))
  const placed: ResolvedModule[] = []
  const waiting = [...byKind]
  while (waiting.length > 0) {
    const next = waiting.findIndex(({ record }) =>
      record.requires.every(requirement => !waiting.some(other => satisfies(other.name, requirement)))
    )
    if (next < 0)
      throw new StrataError('MODULE_CONFLICT', {
        message: 'these modules require each other in a circle:',
        facts: { modules: waiting.map(({ name }) => formatModuleName(name)) },
        hint: 'compose show MODULE tells what each requires'
      })
    placed.push(...waiting.splice(next, 1))
  }
  return placed
}
