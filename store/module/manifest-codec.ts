import { decodeDagJson, dropUndefined, encodeDagJson, Field, Fields, oneOf } from '../values/index.ts'

/**
 * Manifests are DAG-JSON: people can read them with any JSON tool, links are typed, and each value has one encoding
 * (spec/module.md#manifests gives the reasons against DAG-CBOR).
 */

/** Limit far above our own manifests. Larger ones are refused without parsing. */
export const LARGEST_MANIFEST_BYTES = 8 << 20

export interface ManifestForm<T extends object> {
  /** Value of the field `strata`: the type of the manifest. */
  type: string
  format: number
  /** The fields beside `strata` and `format`; undefined ones are left out. */
  toNode(value: T): Record<string, unknown>
  /** @throws StrataError MANIFEST_INVALID */
  fromFields(fields: Fields): T
}

/**
 * The same value gives the same bytes, in whatever order its fields were set.
 * @throws StrataError MANIFEST_INVALID if {@link decodeManifest} would refuse the value
 */
export function encodeManifest<T extends object>(form: ManifestForm<T>, value: T): Uint8Array {
  const bytes = encodeNode(form, value)
  decodeManifest(form, bytes, `new ${form.type} manifest`)
  return bytes
}

const encodeNode = <T extends object>(form: ManifestForm<T>, value: T): Uint8Array =>
  encodeDagJson(dropUndefined({ strata: form.type, format: form.format, ...form.toNode(value) }))

/**
 * @param where names the manifest in messages: its file or id
 * @throws StrataError MANIFEST_INVALID that names the field
 */
export function decodeManifest<T extends object>(form: ManifestForm<T>, bytes: Uint8Array, where: string): T {
  const fields = openManifest(form, bytes, where)
  // Absent fields stay absent: undefined ones would make equal manifests look different.
  const value = dropUndefined(form.fromFields(fields))
  fields.end()
  // Refused because other spacing, key order, escapes, numbers or explicit defaults would give the same manifest a
  // second id.
  if (Buffer.compare(encodeNode(form, value), bytes) !== 0) {
    fields.field.refuse('is not in canonical form: encoding it again gives other bytes')
  }
  return value
}

/** Reads part of a manifest without checking the rest. @throws StrataError MANIFEST_INVALID that names the field */
export function peekManifest<T extends object>(
  form: Pick<ManifestForm<object>, 'type' | 'format'>,
  bytes: Uint8Array,
  where: string,
  read: (fields: Fields) => T
): T {
  return dropUndefined(read(openManifest(form, bytes, where)))
}

function openManifest(
  form: Pick<ManifestForm<object>, 'type' | 'format'>,
  bytes: Uint8Array,
  where: string
): Fields {
  const root = new Field(where)
  if (bytes.length > LARGEST_MANIFEST_BYTES) {
    root.refuse(`has ${bytes.length} bytes, wanted at most ${LARGEST_MANIFEST_BYTES}`)
  }
  const fields = new Fields(decodeNode(bytes, root), root)
  fields.required('strata', oneOf(form.type))
  fields.required('format', oneOf(form.format))
  return fields
}

function decodeNode(bytes: Uint8Array, root: Field): unknown {
  try {
    return decodeDagJson(bytes)
  } catch (cause) {
    return root.refuse(`is not DAG-JSON: ${(cause as Error).message}`, cause)
  }
}
