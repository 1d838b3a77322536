import type { IdNames } from '../accounts/index.ts'
import {
  type PathBytes,
  type Place,
  pathFromText,
  StrataError,
  showPath,
  showPlace
} from '../values/index.ts'
import type { AccessGroup } from './access-group.ts'
import type { EnvironmentOperation } from './environment.ts'
import { MOST_STRIPPED, type Owner } from './layer-manifest.ts'
import type { Requirement } from './requirement.ts'
import { checkLine, checkText } from './text-field.ts'

/** Properties of a module besides its name and its layers, as asked for by a spec file or the flags of an import. */
export interface ModuleSettings {
  kind?: ModuleKind
  /** One line. */
  summary?: string
  help?: string
  license?: string
  /** Modules of one family replace each other: `compiler`, `mpi`. */
  family?: string
  requires: Requirement[]
  conflicts: Requirement[]
  /** Applied in order. */
  environment: EnvironmentOperation[]
  accessGroups: AccessGroup[]
  labels: Record<string, string>
  /** False if no part of it may leave the site. */
  redistributable?: boolean
  /** Shell script that `apptainer run` starts. */
  runscript?: string
  /** Paths and patterns of paths of other modules that this one may replace (spec/module.md#replaces). */
  replaces: PathBytes[]
  /** Allows set-id files of root, devices and capabilities in a module that is not a base. */
  allowPrivileged?: boolean
  hidden?: boolean
  deprecated?: Deprecation
}

/** The place of a source's tree in a layer. */
export interface LayerSettings {
  prefix?: PathBytes
  strip?: number
  owner?: Owner
}

/** All settings of an import, from a spec file or flags. */
export interface ImportSettings extends ModuleSettings, LayerSettings {
  /** Paths of the sources, bottom layer first. */
  sources: string[]
}

export interface Deprecation {
  /** `YYYY-MM-DD`, the day from which users are told. */
  date: string
  text: string
}

export const MODULE_KINDS = ['base', 'library', 'application'] as const
export type ModuleKind = (typeof MODULE_KINDS)[number]

/** Kind of a module whose settings name none. */
export function defaultKind(category: string): ModuleKind {
  if (category === 'base') return 'base'
  return category === 'app' || category === 'apps' ? 'application' : 'library'
}

/** @throws StrataError USAGE */
export function checkKind(text: string, what: string): ModuleKind {
  const kind = MODULE_KINDS.find(known => known === text)
  return kind ?? refuse(what, text, `is not a kind of module, wanted one of ${MODULE_KINDS.join(', ')}`)
}

/** @throws StrataError USAGE */
export function checkFamily(text: string, what: string): string {
  if (/^[A-Za-z0-9_][A-Za-z0-9._+-]{0,63}$/.test(text)) return text
  return refuse(what, text, 'is not a family name, wanted up to 64 of A-Z a-z 0-9 . _ + -, such as mpi')
}

const LONGEST_LABEL = 4096

/** @throws StrataError USAGE */
export function checkLabel(key: string, value: string, what: string): [string, string] {
  if (!/^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$/.test(key)) {
    refuse(what, key, 'is not a label key, wanted up to 128 of A-Z a-z 0-9 . _ / -, such as org.example.site')
  }
  return [key, value === '' ? '' : checkText(value, `${what} ${key}`, LONGEST_LABEL)]
}

/** @throws StrataError USAGE */
export function checkDeprecation({ date, text }: Deprecation, what: string): Deprecation {
  const time = /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(date) ? new Date(`${date}T00:00:00Z`) : undefined
  // Date takes 30 February for 1 or 2 March.
  if (time === undefined || Number.isNaN(time.getTime()) || time.toISOString().slice(0, 10) !== date) {
    refuse(what, date, 'is not a date, wanted YYYY-MM-DD')
  }
  return { date, text: checkLine(text, what) }
}

/**
 * Parses `U:G`, names or ids.
 * @param where the flag, or file and line, for messages
 * @throws StrataError USAGE, NAME_UNKNOWN
 */
export function parseOwner(text: string, where: Place, names: IdNames): Owner {
  const [user, group, ...rest] = text.split(':')
  if (!user || !group || rest.length > 0)
    refuse(`${showPlace(where)}: owner`, text, 'is not USER:GROUP, such as 0:0')
  return { uid: names.user(pathFromText(user), where), gid: names.group(pathFromText(group), where) }
}

/** @throws StrataError USAGE */
export function checkStrip(strip: number, what: string): number {
  if (Number.isInteger(strip) && strip >= 0 && strip <= MOST_STRIPPED) return strip
  return refuse(what, String(strip), `is not a number of components, wanted 0 to ${MOST_STRIPPED}`)
}

function refuse(what: string, found: string, fault: string): never {
  throw new StrataError('USAGE', {
    message: `${what} "${showPath(pathFromText(found.slice(0, 80)))}" ${fault}`
  })
}
