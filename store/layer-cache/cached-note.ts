/** What stands beside a layer that is kept packed for OCI layouts (spec/store-layout.md#oci-layers). */
import type { CID } from 'multiformats/cid'
import { DAG_JSON, type Digest, formatCid, parseCid } from '../digest.ts'
import { StrataError } from '../errors.ts'

export interface CachedNote {
  /** Of the blob. */
  digest: Digest
  size: number
  /** Of the uncompressed tar. */
  diffId: Digest
  tarBytes: number
  /** Strata's layers that it was made from: its own, and all below. */
  layers: CID[]
}

const NAME = 'oci-layer'
const VERSION = 1

export const formatNote = ({ digest, size, diffId, tarBytes, layers }: CachedNote): string =>
  `${JSON.stringify({ strata: NAME, version: VERSION, digest, size, diffId, tarBytes, layers: layers.map(formatCid) })}\n`

/** @throws StrataError OBJECT_CORRUPT */
export function parseNote(text: string, path: string): CachedNote {
  try {
    const { strata, version, digest, size, diffId, tarBytes, layers } = JSON.parse(text)
    if (strata !== NAME || version !== VERSION) throw new RangeError(`it is not ${NAME} ${VERSION}`)
    if (!Array.isArray(layers) || layers.length === 0) throw new RangeError('it names no layers')
    return {
      digest: digestIn(digest),
      size: bytesIn(size),
      diffId: digestIn(diffId),
      tarBytes: bytesIn(tarBytes),
      layers: layers.map(layer => parseCid(String(layer), DAG_JSON, 'layers'))
    }
  } catch (cause) {
    throw new StrataError('OBJECT_CORRUPT', {
      message: `note ${path} is damaged: ${(cause as Error).message}`,
      facts: { file: path },
      hint: 'compose fsck --repair',
      cause
    })
  }
}

function digestIn(value: unknown): Digest {
  if (typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)) return value as Digest
  throw new RangeError('a hash is not 64 hexadecimal digits')
}

function bytesIn(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw new RangeError('a size is no number of bytes')
}
