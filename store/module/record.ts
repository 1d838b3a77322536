import { basename } from 'node:path'
import type { CID } from 'multiformats/cid'
import { MAX_ID } from '../accounts/index.ts'
import {
  boolean,
  DAG_JSON,
  type Digest,
  dropUndefined,
  Fields,
  integer,
  listOf,
  mapOf,
  oneOf,
  type PathBytes,
  parseDigest,
  pathBytes,
  pathFromText,
  pathNode,
  type Reader,
  showPath,
  text,
  unlessEmpty
} from '../values/index.ts'
import { type AccessGroup, checkAccessGroup } from './access-group.ts'
import { checkOperation, type EnvironmentOperation } from './environment.ts'
import { decodeManifest, encodeManifest, type ManifestForm, peekManifest } from './manifest-codec.ts'
import { link } from './manifest-fields.ts'
import { formatModuleName, type ModuleName, nameFault } from './name.ts'
import { formatRequirement, parseRequirement } from './requirement.ts'
import {
  checkDeprecation,
  checkFamily,
  checkLabel,
  type Deprecation,
  MODULE_KINDS,
  type ModuleKind,
  type ModuleSettings
} from './settings.ts'
import { checkLine, checkText } from './text-field.ts'
import { patternsFault, treePathFault } from './tree-path.ts'

/**
 * The record of a module (spec/module.md#record). Its id is the hash of its bytes. It holds nothing about the host or
 * the user that published it, so the same import gives the same record everywhere.
 */
export interface ModuleRecord extends ModuleName, ModuleSettings {
  kind: ModuleKind
  /** Ids of layer manifests, bottom to top, at least one. */
  layers: CID[]
  redistributable: boolean
  allowPrivileged: boolean
  hidden: boolean
  /** The sources of the layers, in the order given. */
  origin: Origin[]
}

export interface Origin {
  kind: OriginKind
  /** Base name of the file or folder; its path concerns only one host. */
  name?: string
  /** Hash of the given file, compressed or not; for an image, of its manifest (spec/sources.md#oci). */
  sha256?: Digest
  /** Name of an image in its layout or archive: `24.04`, `ubuntu:24.04`. */
  reference?: string
  /** Platform of an image: `linux/amd64`. */
  platform?: string
  /** Definition file of an image, or the composition of an image made by Strata. */
  recipe?: string
  /** Packages that own the files, by name: the one of a package file; for files of the host, the host's packages. */
  packages?: PackageVersion[]
}

export interface PackageVersion {
  name: string
  /** Version as the package manager spells it: `1:2.5.1-4`. */
  version: string
  architecture?: string
}

export const ORIGIN_KINDS = ['tar', 'directory', 'oci', 'image', 'package', 'program', 'sandbox'] as const
export type OriginKind = (typeof ORIGIN_KINDS)[number]

const FORM: ManifestForm<ModuleRecord> = {
  type: 'module',
  format: 1,
  // A field with its default value is left out.
  toNode: record => ({
    category: record.category,
    name: record.name,
    version: record.version,
    kind: record.kind,
    layers: record.layers,
    summary: record.summary,
    help: record.help,
    license: record.license,
    family: record.family,
    requires: unlessEmpty(record.requires.map(formatRequirement)),
    conflicts: unlessEmpty(record.conflicts.map(formatRequirement)),
    environment: unlessEmpty(record.environment.map(operation => ({ ...operation }))),
    accessGroups: unlessEmpty(record.accessGroups.map(group => dropUndefined({ ...group }))),
    labels: Object.keys(record.labels).length === 0 ? undefined : record.labels,
    redistributable: record.redistributable ? undefined : false,
    runscript: record.runscript,
    replaces: unlessEmpty(record.replaces.map(pathNode)),
    allowPrivileged: record.allowPrivileged ? true : undefined,
    hidden: record.hidden ? true : undefined,
    deprecated: record.deprecated,
    origin: unlessEmpty(record.origin.map(origin => dropUndefined({ ...origin })))
  }),
  fromFields: fields => ({
    ...moduleName(fields),
    ...take(fields, Object.keys(FIELDS) as (keyof typeof FIELDS)[])
  })
}

type FieldReaders = {
  [K in Exclude<keyof ModuleRecord, keyof ModuleName>]: (fields: Fields) => ModuleRecord[K]
}

/** Readers of all fields but the three of the name. The value of an absent field is defined only here. */
const FIELDS: FieldReaders = {
  kind: fields => fields.required('kind', oneOf(...MODULE_KINDS)),
  layers: fields => fields.required('layers', layers),
  summary: fields => fields.optional('summary', checkedText(checkLine)),
  help: fields => fields.optional('help', checkedText(checkText)),
  license: fields => fields.optional('license', checkedText(checkLine)),
  family: fields => fields.optional('family', checkedText(checkFamily)),
  requires: fields => fields.optional('requires', listOf(checkedText(parseRequirement))) ?? [],
  conflicts: fields => fields.optional('conflicts', listOf(checkedText(parseRequirement))) ?? [],
  environment: fields => fields.optional('environment', listOf(environmentOperation)) ?? [],
  accessGroups: fields => fields.optional('accessGroups', listOf(accessGroup)) ?? [],
  labels: fields => fields.optional('labels', labels) ?? {},
  redistributable: fields => fields.optional('redistributable', boolean) ?? true,
  runscript: fields => fields.optional('runscript', checkedText(checkText)),
  replaces: fields => fields.optional('replaces', replacedPaths) ?? [],
  allowPrivileged: fields => fields.optional('allowPrivileged', boolean) ?? false,
  hidden: fields => fields.optional('hidden', boolean) ?? false,
  deprecated: fields => fields.optional('deprecated', deprecation),
  origin: fields => fields.optional('origin', listOf(origin)) ?? []
}

export type RecordField = keyof typeof FIELDS

const take = <K extends RecordField>(fields: Fields, names: readonly K[]): Pick<ModuleRecord, K> =>
  Object.fromEntries(names.map(name => [name, FIELDS[name](fields)])) as Pick<ModuleRecord, K>

/**
 * The same record gives the same bytes, in whatever order its fields were set.
 * @throws StrataError MANIFEST_INVALID that names a field with a value no record can have
 */
export const encodeRecord = (record: ModuleRecord): Uint8Array => encodeManifest(FORM, record)

/**
 * @param where names the record in messages: its file or id
 * @throws StrataError MANIFEST_INVALID that names the field
 */
export const decodeRecord = (bytes: Uint8Array, where: string): ModuleRecord =>
  decodeManifest(FORM, bytes, where)

/**
 * Some fields of a record whose bytes were checked against its id, each as {@link decodeRecord} gives it. Other fields
 * and the canonical form are not checked. This takes 0.02 ms a record instead of 0.19, and lists of modules read ten
 * thousand (spec/module.md's example, 2 cores, Node 20.20).
 * @throws StrataError MANIFEST_INVALID that names the field
 */
export const peekRecord = <K extends RecordField>(
  bytes: Uint8Array,
  where: string,
  names: readonly K[]
): Pick<ModuleRecord, K> => peekManifest(FORM, bytes, where, fields => take(fields, names))

function moduleName(fields: Fields): ModuleName {
  const name = {
    category: fields.required('category', text),
    name: fields.required('name', text),
    version: fields.required('version', text)
  }
  fields.required('name', (_, field) => {
    const fault = nameFault(name)
    if (fault !== undefined) field.refuse(`module ${formatModuleName(name)} ${fault}`)
    return name.name
  })
  return name
}

const layers: Reader<CID[]> = (value, field) => {
  const list = listOf(link(DAG_JSON))(value, field)
  return list.length > 0 ? list : field.refuse('is empty, wanted at least one layer')
}

/** A string that must pass the same check as users' input of its kind. */
const checkedText =
  <T>(check: (text: string, what: string) => T): Reader<T> =>
  (value, field) => {
    const found = text(value, field)
    return field.check(what => check(found, what))
  }

const environmentOperation: Reader<EnvironmentOperation> = (value, field) => {
  const fields = new Fields(value, field)
  const operation = fields.required('operation', oneOf('set', 'prepend', 'append', 'unset'))
  const name = fields.required('name', text)
  const result: EnvironmentOperation =
    operation === 'unset' ? { operation, name } : { operation, name, value: fields.required('value', text) }
  fields.end()
  return field.check(what => checkOperation(result, what))
}

const accessGroup: Reader<AccessGroup> = (value, field) => {
  const fields = new Fields(value, field)
  const group = dropUndefined({
    name: fields.optional('name', text),
    gid: fields.optional('gid', integer(0, MAX_ID))
  })
  fields.end()
  return field.check(what => checkAccessGroup(group, what))
}

const labels: Reader<Record<string, string>> = (value, field) =>
  Object.fromEntries(
    [...mapOf(text)(value, field)].map(([key, label]) => field.check(what => checkLabel(key, label, what)))
  )

const treePath: Reader<PathBytes> = (value, field) => {
  const path = pathBytes(value, field)
  const fault = path === '' ? 'is empty' : treePathFault(path)
  return fault === undefined ? path : field.refuse(fault)
}

const replacedPaths: Reader<PathBytes[]> = (value, field) => {
  const paths = listOf(treePath)(value, field)
  const fault = patternsFault(paths)
  return fault === undefined ? paths : field.refuse(fault)
}

const deprecation: Reader<Deprecation> = (value, field) => {
  const fields = new Fields(value, field)
  const result = { date: fields.required('date', text), text: fields.required('text', text) }
  fields.end()
  return field.check(what => checkDeprecation(result, what))
}

const origin: Reader<Origin> = (value, field) => {
  const fields = new Fields(value, field)
  const result = {
    kind: fields.required('kind', oneOf(...ORIGIN_KINDS)),
    name: fields.optional('name', baseName),
    sha256: fields.optional('sha256', checkedText(parseDigest)),
    reference: fields.optional('reference', checkedText(checkLine)),
    platform: fields.optional('platform', checkedText(checkLine)),
    recipe: fields.optional('recipe', checkedText(checkText)),
    packages: fields.optional('packages', listOf(packageVersion))
  }
  fields.end()
  return dropUndefined(result)
}

const packageVersion: Reader<PackageVersion> = (value, field) => {
  const fields = new Fields(value, field)
  const result = {
    name: fields.required('name', checkedText(checkLine)),
    version: fields.required('version', checkedText(checkLine)),
    architecture: fields.optional('architecture', checkedText(checkLine))
  }
  fields.end()
  return dropUndefined(result)
}

/** The part of a given path that `origin` keeps: the base name, escaped if it is not text; undefined for `.` or `-`. */
export function originName(path: string): string | undefined {
  const name = showPath(pathFromText(basename(path)))
  return name.trim() === '' || /^(\.{0,2}|-)$/.test(name) ? undefined : name
}

const baseName: Reader<string> = (value, field) => {
  const name = checkedText(checkLine)(value, field)
  return /^\.{0,2}$|\//.test(name) ? field.refuse(`"${name}" is not a base name`) : name
}
