/** Access for a module's access groups, in ids of this host (spec/store-layout.md#access). */

import { hostGroup } from '../accounts/index.ts'
import { accessFor, EVERYONE, type FileAccess, unionOf } from '../files/index.ts'
import { type AccessGroup, formatModuleName, type ModuleName } from '../module/index.ts'
import { pathFromText, StrataError, showPath } from '../values/index.ts'

export interface GuardedModule extends ModuleName {
  accessGroups: readonly AccessGroup[]
}

export interface ModulesAccess {
  access: FileAccess
  /** Names for which neither record nor host has an id: nobody here is a member. Safe to print. */
  unknown: string[]
}

/** Access for everyone whom at least one of these modules admits. An id in a record goes before the name beside it. */
export function accessOfModules(modules: readonly GuardedModule[]): ModulesAccess {
  const unknown = new Set<string>()
  let access: FileAccess = []
  for (const { accessGroups } of modules) {
    const gids = accessGroups.map(({ name, gid }) => {
      const found = gid ?? hostGroup(name!)?.gid
      if (found === undefined) unknown.add(showPath(pathFromText(name!)))
      return found
    })
    const groups = gids.filter(gid => gid !== undefined)
    access = unionOf(access, accessGroups.length === 0 ? EVERYONE : accessFor(groups))
  }
  return { access, unknown: [...unknown] }
}

/**
 * Access for a module that is to be published here.
 * @throws StrataError NAME_UNKNOWN: files cannot be given to a group without an id
 */
export function accessOfNewModule(module: GuardedModule): FileAccess {
  const { access, unknown } = accessOfModules([module])
  if (unknown.length === 0) return access
  throw new StrataError('NAME_UNKNOWN', {
    message: `${formatModuleName(module)} is for group ${unknown.join(', ')}, which this host does not know`,
    facts: { groups: unknown },
    hint: `--map-group ${unknown[0]}=GID`
  })
}
