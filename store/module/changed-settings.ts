/** Differences between the settings of two records, as texts for people and for --json. */
import { showPath } from '../values/index.ts'
import type { AccessGroup } from './access-group.ts'
import { formatOperation } from './environment.ts'
import type { ModuleRecord } from './record.ts'
import { formatRequirement } from './requirement.ts'

export interface ComparedSettings {
  changed: ChangedSetting[]
  /** Names of settings that have a value in both, and the same one. */
  kept: string[]
}

export interface ChangedSetting {
  /** Its name in a spec file. */
  setting: string
  removed: string[]
  added: string[]
}

export function compareSettings(before: ModuleRecord, after: ModuleRecord): ComparedSettings {
  const compared: ComparedSettings = { changed: [], kept: [] }
  for (const [setting, textsOf] of Object.entries(TEXTS)) {
    const [old, young] = [textsOf(before), textsOf(after)]
    const removed = old.filter(text => !young.includes(text))
    const added = young.filter(text => !old.includes(text))
    if (removed.length + added.length > 0 || old.join('\0') !== young.join('\0'))
      compared.changed.push({ setting, removed, added })
    else if (young.length > 0) compared.kept.push(setting)
  }
  return compared
}

const TEXTS: Record<string, (record: ModuleRecord) => string[]> = {
  access_groups: ({ accessGroups }) =>
    accessGroups.length === 0 ? ['everyone'] : accessGroups.map(showAccessGroup),
  redistributable: ({ redistributable }) => [redistributable ? 'yes' : 'no'],
  kind: ({ kind }) => [kind],
  requires: ({ requires }) => requires.map(formatRequirement),
  conflicts: ({ conflicts }) => conflicts.map(formatRequirement),
  environment: ({ environment }) => environment.map(formatOperation),
  license: ({ license }) => textOf(license),
  family: ({ family }) => textOf(family),
  summary: ({ summary }) => textOf(summary),
  help: ({ help }) => textOf(help),
  runscript: ({ runscript }) => textOf(runscript),
  labels: ({ labels }) => Object.entries(labels).map(([key, value]) => `${key}=${value}`),
  replaces: ({ replaces }) => replaces.map(showPath),
  allow_privileged: ({ allowPrivileged }) => (allowPrivileged ? ['yes'] : []),
  hidden: ({ hidden }) => (hidden ? ['yes'] : []),
  deprecated: ({ deprecated }) => (deprecated ? [`${deprecated.date}: ${deprecated.text}`] : [])
}

const textOf = (text: string | undefined): string[] => (text === undefined ? [] : [text])

export const showAccessGroup = ({ name, gid }: AccessGroup): string => name ?? String(gid)
