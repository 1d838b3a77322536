import { dropUndefined } from '../values/index.ts'
import type { ModuleName } from './name.ts'
import { formatRequirement } from './requirement.ts'
import { defaultKind, type ImportSettings, type ModuleKind } from './settings.ts'

/** Settings with every choice made. */
export interface MergedSettings extends ImportSettings {
  kind: ModuleKind
  redistributable: boolean
  allowPrivileged: boolean
  hidden: boolean
}

/**
 * Merges spec file and flags. Flags win for single values and for labels of one key; their lists are added to the
 * file's. Sources that were typed replace the file's. Settings from a source itself rank below the spec in the same
 * way: the result of one call can be the `spec` of the next.
 * @param spec undefined without `--spec`
 */
export function mergeSpec(
  { category }: ModuleName,
  spec: Partial<ImportSettings> | undefined,
  typed: Partial<ImportSettings>
): MergedSettings {
  const file = { ...NOTHING, ...spec }
  const flags = { ...NOTHING, ...typed }
  const single = { ...spec, ...dropUndefined(typed) }
  return {
    ...single,
    kind: single.kind ?? defaultKind(category),
    redistributable: single.redistributable ?? true,
    allowPrivileged: single.allowPrivileged ?? false,
    hidden: single.hidden ?? false,
    requires: distinct([...file.requires, ...flags.requires], formatRequirement),
    conflicts: distinct([...file.conflicts, ...flags.conflicts], formatRequirement),
    environment: [...file.environment, ...flags.environment],
    accessGroups: distinct(
      [...file.accessGroups, ...flags.accessGroups],
      ({ name, gid }) => name ?? String(gid)
    ),
    labels: { ...file.labels, ...flags.labels },
    replaces: distinct([...file.replaces, ...flags.replaces], path => path),
    sources: flags.sources.length > 0 ? flags.sources : file.sources
  }
}

const NOTHING: ImportSettings = {
  requires: [],
  conflicts: [],
  environment: [],
  accessGroups: [],
  labels: {},
  replaces: [],
  sources: []
}

/** The first of each key, in order. */
function distinct<T>(list: T[], key: (item: T) => string): T[] {
  const seen = new Set<string>()
  return list.filter(item => !seen.has(key(item)) && seen.add(key(item)))
}
