import {
  type Constraint,
  compareVersions,
  type ModuleName,
  matchesVersion,
  type RangedRequest
} from '../../store/module/index.ts'

/**
 * True if a module meets a requirement: it has the name, the version or a version that begins so, and is within the
 * range.
 */
export const satisfies = (name: ModuleName, requirement: RangedRequest): boolean =>
  name.category === requirement.category &&
  name.name === requirement.name &&
  matchesVersion(requirement.version, name.version) &&
  (requirement.constraints ?? []).every(constraint => holds(name.version, constraint))

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
