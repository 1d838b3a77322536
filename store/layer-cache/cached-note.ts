/** The note beside a layer that is kept packed for OCI layouts (spec/store-layout.md#oci-layers). */
import type { CID } from 'multiformats/cid'
import {
  DAG_JSON,
  type Digest,
  Field,
  formatCid,
  integer,
  listOf,
  oneOf,
  parseCid,
  parseFields,
  type Reader,
  type Refusal,
  sha256,
  text
} from '../values/index.ts'

export interface CachedNote {
  /** Digest of the blob. */
  digest: Digest
  size: number
  /** Digest of the uncompressed tar. */
  diffId: Digest
  tarBytes: number
  /** Layers of Strata from which it was made: its own and all below it. */
  layers: CID[]
}

const NAME = 'oci-layer'
const VERSION = 1

export const formatNote = ({ digest, size, diffId, tarBytes, layers }: CachedNote): string =>
  `${JSON.stringify({ strata: NAME, version: VERSION, digest, size, diffId, tarBytes, layers: layers.map(formatCid) })}\n`

/** @throws StrataError OBJECT_CORRUPT */
export function parseNote(json: string, path: string): CachedNote {
  const fields = parseFields(json, new Field(`note ${path} is damaged`, OF_NOTES))
  fields.required('strata', oneOf(NAME))
  fields.required('version', oneOf(VERSION))
  const note = {
    digest: fields.required('digest', sha256) as Digest,
    size: fields.required('size', bytes),
    diffId: fields.required('diffId', sha256) as Digest,
    tarBytes: fields.required('tarBytes', bytes),
    layers: fields.required('layers', listOf(layerId))
  }
  if (note.layers.length === 0) fields.field.in('layers').refuse('names no layers')
  return note
}

const OF_NOTES: Refusal = { code: 'OBJECT_CORRUPT', label: 'file', hint: 'compose fsck --repair' }

const bytes = integer(0, Number.MAX_SAFE_INTEGER)

const layerId: Reader<CID> = (value, field) => {
  const id = text(value, field)
  return field.check(what => parseCid(id, DAG_JSON, what))
}
