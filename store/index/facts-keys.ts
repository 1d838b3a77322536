/**
 * Keys and values of the LevelDB in `index/facts-*` (spec/index.md#facts). They state facts about a layer, which is
 * named by its contents. So an entry never gets out of date, but layers may be missing.
 *
 *   l LAYER              -> number, tarball, sidecar   this layer is in here, completely
 *   n NAME \0 NUMBER     -> nothing                    it has a path whose last component is NAME
 *
 * Names and not whole paths are kept: the keys are fewer and shorter. Every answer is looked up in the layer's tree
 * index anyway, which knows the hidden paths and is checked against its hash.
 */
import type { Digest, PathBytes } from '../values/index.ts'
import type { DatabaseKind } from './database-folder.ts'

export const FACTS: DatabaseKind = { name: 'facts', format: Buffer.from([2]), isForAll: true }
export const NOTHING = new Uint8Array(0)

const DIGEST_BYTES = 32
const NUMBER_BYTES = 4

/** Facts about a layer that the index has without its tree. */
export interface LayerFacts {
  /** Stands for the layer in keys of this database. */
  number: number
  tar: Digest
  sidecar?: Digest
}

const digestBytes = (digest: Digest): Buffer => Buffer.from(digest, 'hex')

export const LAYERS_FROM = Buffer.from('l')
export const LAYERS_BELOW = Buffer.from('m')

export const layerKey = (layer: Digest): Buffer => Buffer.concat([LAYERS_FROM, digestBytes(layer)])

/** @throws RangeError */
export function decodeLayerKey(key: Uint8Array): Digest {
  if (key.length !== 1 + DIGEST_BYTES) throw new RangeError(`layer key of ${key.length} bytes`)
  return Buffer.from(key).toString('hex', 1) as Digest
}

export function encodeFacts({ number, tar, sidecar }: LayerFacts): Buffer {
  const start = Buffer.alloc(NUMBER_BYTES)
  start.writeUInt32BE(number)
  return Buffer.concat([start, digestBytes(tar), ...(sidecar === undefined ? [] : [digestBytes(sidecar)])])
}

/** @throws RangeError */
export function decodeFacts(value: Uint8Array): LayerFacts {
  const bytes = Buffer.from(value)
  const tarEnd = NUMBER_BYTES + DIGEST_BYTES
  if (bytes.length !== tarEnd && bytes.length !== tarEnd + DIGEST_BYTES)
    throw new RangeError(`facts of a layer of ${bytes.length} bytes`)
  return {
    number: bytes.readUInt32BE(),
    tar: bytes.toString('hex', NUMBER_BYTES, tarEnd) as Digest,
    ...(bytes.length > tarEnd && { sidecar: bytes.toString('hex', tarEnd) as Digest })
  }
}

/** Beginning of the keys of a name; the number of a layer follows. */
export const nameKey = (name: PathBytes): Buffer => Buffer.from(`n${name}\0`, 'latin1')

export function withNumber(start: Buffer, number: number): Buffer {
  const key = Buffer.allocUnsafe(start.length + NUMBER_BYTES)
  start.copy(key)
  key.writeUInt32BE(number, start.length)
  return key
}

/** @throws RangeError */
export function numberOf(start: Buffer, key: Uint8Array): number {
  if (key.length !== start.length + NUMBER_BYTES) throw new RangeError(`key of ${key.length} bytes`)
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).readUInt32BE(start.length)
}
