/**
 * Settings that a module inherits when it replaces another one of its name (spec/module.md#replacing): all that neither
 * a flag nor the spec gives. Publishers who correct a tarball seldom type its groups and requirements again.
 */

import { dropUndefined } from '../values/index.ts'
import type { EnvironmentOperation } from './environment.ts'
import { formatModuleRequest } from './name.ts'
import type { ModuleRecord } from './record.ts'
import type { Requirement } from './requirement.ts'
import type { ImportSettings } from './settings.ts'

export interface SettingSources {
  /** Settings from the sources about themselves. */
  described: Partial<ImportSettings>
  /** Settings from a spec file. A list in it, even an empty one, replaces the earlier list. */
  spec?: Partial<ImportSettings>
  /** Settings from flags. They replace earlier ones for the same variable, module or label. */
  flags: Partial<ImportSettings>
}

/**
 * The settings below spec and flags: the earlier ones, and those of the sources where the record had none.
 * `allowPrivileged` is not inherited, because it was said about other files.
 */
export function inheritSettings(
  before: ModuleRecord,
  { described, spec = {}, flags }: SettingSources
): Partial<ImportSettings> {
  const { kind, summary, help, license, family, runscript, deprecated } = before
  return dropUndefined({
    ...described,
    ...dropUndefined({ kind, summary, help, license, family, runscript, deprecated }),
    hidden: before.hidden || undefined,
    redistributable: before.redistributable ? described.redistributable : false,
    accessGroups: before.accessGroups,
    requires: inheritRequirements('requires', before, described, spec, flags),
    conflicts: inheritRequirements('conflicts', before, described, spec, flags),
    environment: inheritEnvironment(before, described, spec, flags),
    labels: { ...withoutPackages(before.labels), ...described.labels },
    replaces: [...(spec.replaces === undefined ? before.replaces : []), ...(described.replaces ?? [])]
  })
}

function inheritRequirements(
  list: 'requires' | 'conflicts',
  before: ModuleRecord,
  described: Partial<ImportSettings>,
  spec: Partial<ImportSettings>,
  flags: Partial<ImportSettings>
): Requirement[] {
  const own = described[list] ?? []
  const saidAnew = new Set([...own, ...(flags[list] ?? [])].map(moduleOf))
  const kept = spec[list] === undefined ? before[list] : []
  return [...kept.filter(requirement => !saidAnew.has(moduleOf(requirement))), ...own]
}

const moduleOf = ({ category, name }: Requirement): string => formatModuleRequest({ category, name })

function inheritEnvironment(
  before: ModuleRecord,
  described: Partial<ImportSettings>,
  spec: Partial<ImportSettings>,
  flags: Partial<ImportSettings>
): EnvironmentOperation[] {
  if (spec.environment !== undefined || before.environment.length === 0) return described.environment ?? []
  const saidAnew = new Set((flags.environment ?? []).map(({ name }) => name))
  return before.environment.filter(({ name }) => !saidAnew.has(name))
}

/** Leaves out labels that package files gave (spec/sources.md#package-labels), because they describe the earlier files. */
const withoutPackages = (labels: Record<string, string>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(labels).filter(
      ([key]) => !/^org\.(debian|rpm)\.(package|depends|pre-depends|requires|homepage|url)\./.test(key)
    )
  )
