import { basename } from 'node:path'
import type { CID } from 'multiformats/cid'
import {
  DAG_JSON,
  type Digest,
  dropUndefined,
  Fields,
  listOf,
  oneOf,
  parseDigest,
  pathFromText,
  type Reader,
  showPath,
  text,
  unlessEmpty
} from '../values/index.ts'
import { decodeManifest, encodeManifest, type ManifestForm, peekManifest } from './manifest-codec.ts'
import { link } from './manifest-fields.ts'
import { formatModuleName, type ModuleName, nameFault } from './name.ts'
import {
  checkedText,
  mapSettings,
  type RecordSettings,
  SETTING_KEYS,
  SETTINGS,
  type SettingKey
} from './setting-table.ts'
import { checkLine, checkText } from './text-field.ts'

/**
 * The record of a module (spec/module.md#record). Its id is the hash of its bytes. It holds nothing about the host or
 * the user that published it, so the same import gives the same record everywhere.
 */
export interface ModuleRecord extends ModuleName, RecordSettings {
  /** Ids of layer manifests, bottom to top, at least one. */
  layers: CID[]
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
  /** Packages that a capture found and removed. */
  removed?: PackageVersion[]
}

export interface PackageVersion {
  name: string
  /** Version as the package manager spells it: `1:2.5.1-4`. */
  version: string
  architecture?: string
  /** The version that a capture found and replaced by this one. */
  before?: string
}

export const ORIGIN_KINDS = [
  'tar',
  'directory',
  'oci',
  'image',
  'package',
  'program',
  'sandbox',
  'capture'
] as const
export type OriginKind = (typeof ORIGIN_KINDS)[number]

const FORM: ManifestForm<ModuleRecord> = {
  type: 'module',
  format: 1,
  toNode: record => ({
    category: record.category,
    name: record.name,
    version: record.version,
    layers: record.layers,
    ...Object.fromEntries(mapSettings(record, (setting, value, key) => [key, setting.node(value)])),
    origin: unlessEmpty(record.origin.map(origin => dropUndefined({ ...origin })))
  }),
  fromFields: fields => ({ ...moduleName(fields), ...take(fields, RECORD_FIELDS) })
}

const OTHER_FIELDS = {
  layers: (fields: Fields) => fields.required('layers', layers),
  origin: (fields: Fields) => fields.optional('origin', listOf(origin)) ?? []
}

export type RecordField = SettingKey | keyof typeof OTHER_FIELDS

/** All fields but the three of the name. */
const RECORD_FIELDS: readonly RecordField[] = ['layers', ...SETTING_KEYS, 'origin']

const take = <K extends RecordField>(fields: Fields, names: readonly K[]): Pick<ModuleRecord, K> =>
  Object.fromEntries(names.map(name => [name, readField(fields, name)])) as Pick<ModuleRecord, K>

const readField = (fields: Fields, name: RecordField): unknown =>
  name === 'layers' || name === 'origin' ? OTHER_FIELDS[name](fields) : SETTINGS[name].read(fields, name)

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

const origin: Reader<Origin> = (value, field) => {
  const fields = new Fields(value, field)
  const result = {
    kind: fields.required('kind', oneOf(...ORIGIN_KINDS)),
    name: fields.optional('name', baseName),
    sha256: fields.optional('sha256', checkedText(parseDigest)),
    reference: fields.optional('reference', checkedText(checkLine)),
    platform: fields.optional('platform', checkedText(checkLine)),
    recipe: fields.optional('recipe', checkedText(checkText)),
    packages: fields.optional('packages', listOf(packageVersion)),
    removed: fields.optional('removed', listOf(packageVersion))
  }
  fields.end()
  return dropUndefined(result)
}

const packageVersion: Reader<PackageVersion> = (value, field) => {
  const fields = new Fields(value, field)
  const result = {
    name: fields.required('name', checkedText(checkLine)),
    version: fields.required('version', checkedText(checkLine)),
    architecture: fields.optional('architecture', checkedText(checkLine)),
    before: fields.optional('before', checkedText(checkLine))
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
