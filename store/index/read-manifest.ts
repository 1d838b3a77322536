/**
 * Reads records and layer manifests, of which there may be ten thousand. They are read in one call and not as streams,
 * which takes a quarter of the time. Their bytes are checked against their ids as everywhere.
 */
import { base32 } from 'multiformats/bases/base32'
import { decompress } from 'zstd-napi'
import zstd from 'zstd-napi/binding.js'
import { readLayer, readRecord, readSmallBlob } from '../contents/index.ts'
import type { Store } from '../files/index.ts'
import {
  decodeLayerManifest,
  LARGEST_MANIFEST_BYTES,
  type LayerManifest,
  peekRecord
} from '../module/index.ts'
import { DAG_JSON, type Digest, digestOf, parseCid } from '../values/index.ts'
import { INDEXED_FIELDS, type IndexedRecord, indexedRecord } from './module-summary.ts'

/**
 * The part of a record that the index keeps.
 * @param id as text
 * @throws StrataError BLOB_MISSING, BLOB_CORRUPT, MANIFEST_INVALID
 */
export async function readIndexedRecord(store: Store, id: string): Promise<IndexedRecord> {
  const bytes = readIntact(store, digestOfId(id))
  // The other fields are not checked here: commands that use a module decode its record, and fsck decodes all.
  return indexedRecord(
    bytes === undefined
      ? await readRecord(store, parseCid(id, DAG_JSON, 'index'))
      : peekRecord(bytes, `module record ${id}`, INDEXED_FIELDS)
  )
}

/**
 * Digest of a manifest by its id, a text that MANIFEST_ID admits: a prefix of 5 bytes and the digest. Parsing ten
 * thousand ids into objects would take longer.
 */
export const digestOfId = (id: string): Digest =>
  Buffer.from(base32.decode(id)).toString('hex', ID_PREFIX_BYTES) as Digest

const ID_PREFIX_BYTES = 5

/** @throws StrataError BLOB_MISSING, BLOB_CORRUPT, MANIFEST_INVALID */
export async function readLayerFast(store: Store, id: string): Promise<LayerManifest> {
  const bytes = readIntact(store, digestOfId(id))
  return bytes === undefined
    ? readLayer(store, parseCid(id, DAG_JSON, 'index'))
    : decodeLayerManifest(bytes, `layer ${id}`)
}

function readIntact(store: Store, digest: Digest): Buffer | undefined {
  for (const { root } of store.searched)
    for (const encoding of ['', '.zst'] as const) {
      const packed = readSmallBlob(root, digest, encoding)
      if (packed === undefined) continue
      const bytes = encoding === '' ? packed : tryDecompress(packed)
      return bytes !== undefined && digestOf(bytes) === digest ? bytes : undefined
    }
}

/**
 * Undefined if it unpacks to more than a manifest may have; such a file is left to the reader that unpacks piece by
 * piece.
 */
function tryDecompress(packed: Buffer): Buffer | undefined {
  try {
    const sizeBytes = zstd.getFrameContentSize(packed) ?? Infinity
    return sizeBytes > LARGEST_MANIFEST_BYTES ? undefined : decompress(packed)
  } catch {
    return undefined
  }
}
