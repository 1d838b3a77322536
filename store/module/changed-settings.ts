/** Differences between the settings of two records, as texts for people and for --json. */
import type { ModuleRecord } from './record.ts'
import { SETTING_KEYS, SETTINGS, type Setting, type SettingKey } from './setting-table.ts'

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

/** The settings that decide who gets the files come first. */
const FIRST: readonly SettingKey[] = ['accessGroups', 'redistributable']
const IN_ORDER = [...FIRST, ...SETTING_KEYS.filter(key => !FIRST.includes(key))]

export function compareSettings(before: ModuleRecord, after: ModuleRecord): ComparedSettings {
  const compared: ComparedSettings = { changed: [], kept: [] }
  for (const key of IN_ORDER) {
    const [old, young] = [linesOf(before, key), linesOf(after, key)]
    const setting = SETTINGS[key].spec
    const removed = old.filter(text => !young.includes(text))
    const added = young.filter(text => !old.includes(text))
    if (removed.length + added.length > 0 || old.join('\0') !== young.join('\0'))
      compared.changed.push({ setting, removed, added })
    else if (young.length > 0) compared.kept.push(setting)
  }
  return compared
}

const linesOf = <K extends SettingKey>(record: ModuleRecord, key: K): string[] =>
  (SETTINGS[key] as Setting<ModuleRecord[K]>).lines(record[key])
