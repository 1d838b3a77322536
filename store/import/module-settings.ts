/** Settings of a module from flags, spec, the former record and the sources together. */
import { type Consent, NO_CONSENT } from '../access/index.ts'
import { groupName, hostGroup } from '../accounts/index.ts'
import {
  type AccessGroup,
  type ImportSettings,
  inheritSettings,
  isGroupName,
  type MergedSettings,
  type ModuleName,
  type ModuleRecord,
  mergeSpec,
  showAccessGroup
} from '../module/index.ts'
import { StrataError } from '../values/index.ts'
import type { ModuleSource } from './module-source.ts'
import type { Predecessor } from './predecessor.ts'

export interface ModuleSettingSources {
  name: ModuleName
  spec?: Partial<ImportSettings>
  flags: Partial<ImportSettings>
  replace: boolean
  startAnew?: boolean
  consent?: Consent
}

/**
 * The later one wins: sources, the record that is replaced, spec, flags. Access groups replace those of an earlier
 * step, except that spec and flags together give the groups of a module.
 * @throws StrataError USAGE if `--open-to` contradicts the groups
 */
export function moduleSettings(
  { name, spec, flags, replace, startAnew = false, consent = NO_CONSENT }: ModuleSettingSources,
  sources: readonly ModuleSource[],
  before: Predecessor | undefined
): MergedSettings {
  const described = mergeDescriptions(name, sources)
  const replaced = inheritedRecord({ replace, startAnew }, before)
  const below = replaced === undefined ? described : inheritSettings(replaced, { described, spec, flags })
  const saysGroups = spec?.accessGroups !== undefined || (flags.accessGroups ?? []).length > 0
  if (consent.everyone && [spec, flags].some(said => (said?.accessGroups ?? []).length > 0))
    throw new StrataError('USAGE', {
      message: '--open-to everyone contradicts the access groups that are given'
    })
  if (consent.redistribution && [spec, flags].some(said => said?.redistributable === false))
    throw new StrataError('USAGE', {
      message: '--allow-redistribution contradicts that nothing may leave the site'
    })
  const merged = mergeSpec(
    name,
    mergeSpec(name, { ...below, ...(saysGroups && { accessGroups: [] }) }, spec ?? {}),
    flags
  )
  return withConsent(merged, consent)
}

/** Of several packages, the one named first describes the module: the others are its dependencies. */
function mergeDescriptions(name: ModuleName, sources: readonly ModuleSource[]): MergedSettings {
  let settings = mergeSpec(name, undefined, {})
  for (const { described = {}, packages } of sources) {
    const isFurther = packages !== undefined && settings.summary !== undefined
    settings = mergeSpec(name, settings, isFurther ? { ...described, summary: settings.summary } : described)
  }
  return settings
}

/** The record whose settings are inherited. */
export const inheritedRecord = (
  { replace, startAnew }: Pick<ModuleSettingSources, 'replace' | 'startAnew'>,
  before: Predecessor | undefined
): ModuleRecord | undefined => (replace && !startAnew && before?.isCurrent ? before.record : undefined)

/** @throws StrataError USAGE */
function withConsent(
  settings: MergedSettings,
  { everyone, groups, redistribution }: Consent
): MergedSettings {
  const { accessGroups } = settings
  const refuse = (message: string) => {
    throw new StrataError('USAGE', { message })
  }
  if (everyone && groups.length > 0) refuse('--open-to everyone says already what --open-to group:… says')
  if (groups.length > 0 && accessGroups.length === 0)
    refuse(
      `--open-to group:${showAccessGroup(groups[0])} admits a group more, but the module is for everyone`
    )
  return {
    ...settings,
    accessGroups: everyone ? [] : dropRepeated([...accessGroups, ...groups].map(completeGroup)),
    redistributable: redistribution || settings.redistributable
  }
}

/**
 * Name and id, if this host knows both. A host that pulls the module compares them with its own groups, which it cannot
 * do with one half.
 */
function completeGroup(group: AccessGroup): AccessGroup {
  if (group.gid === undefined) {
    const gid = hostGroup(group.name!)?.gid
    return gid === undefined ? group : { ...group, gid }
  }
  const name = group.name ?? groupName(group.gid)
  return name === undefined || !isGroupName(name) ? group : { name, gid: group.gid }
}

const dropRepeated = (groups: AccessGroup[]): AccessGroup[] => [
  ...new Map(groups.map(group => [showAccessGroup(group), group])).values()
]
