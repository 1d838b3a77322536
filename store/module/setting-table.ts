/** One table of the settings of a module: how each is typed in a flag or a spec file, kept in a record, and shown. */
import { type IdNames, MAX_ID } from '../accounts/index.ts'
import {
  boolean,
  dropUndefined,
  Fields,
  integer,
  listOf,
  mapOf,
  oneOf,
  type PathBytes,
  pathBytes,
  pathNode,
  type Reader,
  showPath,
  text,
  unlessEmpty
} from '../values/index.ts'
import { type AccessGroup, checkAccessGroup, parseAccessGroup } from './access-group.ts'
import { checkOperation, type EnvironmentOperation, formatOperation } from './environment.ts'
import { formatRequirement, parseRequirement, type Requirement } from './requirement.ts'
import {
  checkDeprecation,
  checkFamily,
  checkKind,
  checkLabel,
  type Deprecation,
  MODULE_KINDS,
  type ModuleKind,
  type ModuleSettings
} from './settings.ts'
import { checkLine, checkText } from './text-field.ts'
import { parseTreePath, patternsFault, treePathFault } from './tree-path.ts'

/** Settings as a record has them: each has a value, if only the default. */
export interface RecordSettings extends ModuleSettings {
  kind: ModuleKind
  redistributable: boolean
  allowPrivileged: boolean
  hidden: boolean
}

export type SettingKey = keyof RecordSettings

/** @param what names the flag, or the place in a spec file, for messages. @throws StrataError USAGE and others */
type Parse<T> = (text: string, what: string, names: IdNames) => T

export interface Setting<T> {
  /** Its key in a spec file, which reports of changes use as well. */
  spec: string
  flag?: string
  /** Its heading in `compose show`; `spec` without it. */
  title?: string
  /** Reads a value, or one of a list, as users type it. Settings without it are not typed as text. */
  parse?: Parse<T extends (infer Item)[] ? Item : NonNullable<T>>
  /** Reads it from a record, where a default value is left out. */
  read(fields: Fields, key: string): T
  /** The node of a record; undefined for the default value. */
  node(value: T): unknown
  /** The value as text, one line for each part. */
  lines(value: T): string[]
  /** The value in `compose show`, if that is not its lines; empty if there is nothing to show. */
  shown?(value: T): string
}

const textSetting = (
  spec: string,
  parse: (text: string, what: string) => string,
  flag?: string
): Setting<string | undefined> => ({
  spec,
  ...(flag && { flag }),
  parse,
  read: (fields, key) => fields.optional(key, checkedText(parse)),
  node: value => value,
  lines: value => (value === undefined ? [] : [value])
})

interface ListForm<T> {
  spec: string
  flag: string
  parse: Parse<T>
  read: Reader<T[]>
  node: (item: T) => unknown
  format: (item: T) => string
}

const listSetting = <T>({ spec, flag, parse, read, node, format }: ListForm<T>): Setting<T[]> => ({
  spec,
  flag,
  parse: parse as Setting<T[]>['parse'],
  read: (fields, key) => fields.optional(key, read) ?? [],
  node: items => unlessEmpty(items.map(node)),
  lines: items => items.map(format)
})

const requirements = (spec: string, flag: string): Setting<Requirement[]> =>
  listSetting({
    spec,
    flag,
    parse: parseRequirement,
    read: listOf(checkedText(parseRequirement)),
    node: formatRequirement,
    format: formatRequirement
  })

/** A setting that is true or absent. */
const switchSetting = (spec: string, title: string, shown: string): Setting<boolean> => ({
  spec,
  title,
  read: (fields, key) => fields.optional(key, boolean) ?? false,
  node: value => (value ? true : undefined),
  lines: value => (value ? ['yes'] : []),
  shown: value => (value ? shown : '')
})

export const showAccessGroup = ({ name, gid }: AccessGroup): string => name ?? String(gid)

/** In the order of `compose show`. */
export const SETTINGS: { readonly [K in SettingKey]-?: Setting<RecordSettings[K]> } = {
  summary: textSetting('summary', checkLine, '--summary'),
  kind: {
    spec: 'kind',
    flag: '--kind',
    parse: checkKind,
    read: (fields, key) => fields.required(key, oneOf(...MODULE_KINDS)),
    node: kind => kind,
    lines: kind => [kind]
  },
  license: textSetting('license', checkLine, '--license'),
  family: textSetting('family', checkFamily, '--family'),
  requires: requirements('requires', '--requires'),
  conflicts: requirements('conflicts', '--conflicts'),
  environment: {
    spec: 'environment',
    read: (fields, key) => fields.optional(key, listOf(environmentOperation)) ?? [],
    node: operations => unlessEmpty(operations.map(operation => ({ ...operation }))),
    lines: operations => operations.map(formatOperation)
  },
  accessGroups: {
    ...listSetting<AccessGroup>({
      spec: 'access_groups',
      flag: '--access-group',
      parse: parseAccessGroup,
      read: listOf(accessGroup),
      node: group => dropUndefined({ ...group }),
      format: showAccessGroup
    }),
    title: 'access',
    lines: groups => (groups.length === 0 ? ['everyone'] : groups.map(showAccessGroup)),
    shown: groups => groups.map(showAccessGroup).join(', ')
  },
  redistributable: {
    spec: 'redistributable',
    read: (fields, key) => fields.optional(key, boolean) ?? true,
    node: value => (value ? undefined : false),
    lines: value => [value ? 'yes' : 'no'],
    shown: value => (value ? '' : 'no: the module must not leave the site')
  },
  allowPrivileged: switchSetting(
    'allow_privileged',
    'privileged',
    'may hold set-id files, devices, capabilities'
  ),
  hidden: switchSetting('hidden', 'hidden', 'yes: lists leave it out'),
  deprecated: {
    spec: 'deprecated',
    read: (fields, key) => fields.optional(key, deprecation),
    node: value => value,
    lines: value => (value === undefined ? [] : [`${value.date}: ${value.text}`])
  },
  labels: {
    spec: 'labels',
    read: (fields, key) => fields.optional(key, labels) ?? {},
    node: value => (Object.keys(value).length === 0 ? undefined : value),
    lines: value => Object.entries(value).map(([key, label]) => `${key}=${label}`)
  },
  replaces: listSetting<PathBytes>({
    spec: 'replaces',
    flag: '--replaces',
    parse: parseTreePath,
    read: replacedPaths,
    node: pathNode,
    format: showPath
  }),
  help: textSetting('help', checkText),
  runscript: textSetting('runscript', checkText)
}

export const SETTING_KEYS = Object.keys(SETTINGS) as SettingKey[]

/** Calls back for each setting with its value in a record. */
export const mapSettings = <T>(
  record: RecordSettings,
  each: <K extends SettingKey>(setting: Setting<RecordSettings[K]>, value: RecordSettings[K], key: K) => T
): T[] => SETTING_KEYS.map(key => mapOne(record, key, each))

const mapOne = <K extends SettingKey, T>(
  record: RecordSettings,
  key: K,
  each: (setting: Setting<RecordSettings[K]>, value: RecordSettings[K], key: K) => T
): T => each(SETTINGS[key] as Setting<RecordSettings[K]>, record[key], key)

/**
 * Parses the settings that are typed as text.
 * @param given the text or texts for a setting; undefined if there is none
 * @param read calls `parse` with the words for messages; empty to leave a value out
 */
export function parseTyped(
  given: (setting: Setting<unknown>, key: SettingKey) => string | string[] | undefined,
  read: <T>(setting: Setting<unknown>, index: number | undefined, parse: (what: string) => T) => [T] | [],
  names: IdNames
): Partial<ModuleSettings> {
  const typed: Partial<Record<SettingKey, unknown>> = {}
  for (const key of SETTING_KEYS) {
    const setting = SETTINGS[key] as Setting<unknown>
    const { parse } = setting
    const texts = parse && given(setting, key)
    if (parse === undefined || texts === undefined) continue
    if (Array.isArray(texts))
      typed[key] = texts.flatMap((text, index) => read(setting, index, what => parse(text, what, names)))
    else [typed[key]] = read(setting, undefined, what => parse(texts, what, names))
  }
  return typed as Partial<ModuleSettings>
}

/** A string that must pass the same check as users' input of its kind. */
export function checkedText<T>(check: (text: string, what: string) => T): Reader<T> {
  return (value, field) => {
    const found = text(value, field)
    return field.check(what => check(found, what))
  }
}

function environmentOperation(...[value, field]: Parameters<Reader<EnvironmentOperation>>) {
  const fields = new Fields(value, field)
  const operation = fields.required('operation', oneOf('set', 'prepend', 'append', 'unset'))
  const name = fields.required('name', text)
  const result: EnvironmentOperation =
    operation === 'unset' ? { operation, name } : { operation, name, value: fields.required('value', text) }
  fields.end()
  return field.check(what => checkOperation(result, what))
}

function accessGroup(...[value, field]: Parameters<Reader<AccessGroup>>): AccessGroup {
  const fields = new Fields(value, field)
  const group = dropUndefined({
    name: fields.optional('name', text),
    gid: fields.optional('gid', integer(0, MAX_ID))
  })
  fields.end()
  return field.check(what => checkAccessGroup(group, what))
}

function labels(...[value, field]: Parameters<Reader<Record<string, string>>>): Record<string, string> {
  return Object.fromEntries(
    [...mapOf(text)(value, field)].map(([key, label]) => field.check(what => checkLabel(key, label, what)))
  )
}

function replacedPaths(...[value, field]: Parameters<Reader<PathBytes[]>>): PathBytes[] {
  const paths = listOf(treePath)(value, field)
  const fault = patternsFault(paths)
  return fault === undefined ? paths : field.refuse(fault)
}

function treePath(...[value, field]: Parameters<Reader<PathBytes>>): PathBytes {
  const path = pathBytes(value, field)
  const fault = path === '' ? 'is empty' : treePathFault(path)
  return fault === undefined ? path : field.refuse(fault)
}

function deprecation(...[value, field]: Parameters<Reader<Deprecation>>): Deprecation {
  const fields = new Fields(value, field)
  const result = { date: fields.required('date', text), text: fields.required('text', text) }
  fields.end()
  return field.check(what => checkDeprecation(result, what))
}
