/**
 * The layers of a stack in the store's cache of packed layers (spec/outputs.md#cache): a key is the hash of all that the
 * bytes of a layer's blob depend on.
 */

import { createHash } from 'node:crypto'
import type { CID } from 'multiformats/cid'
import type { OpenFile } from '../../store/disk/index.ts'
import type { LayerCacheKey } from '../../store/files/index.ts'
import type { CachedLayer } from '../../store/layer-cache/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { type Digest, formatCid } from '../../store/values/index.ts'
import type { StackLayer } from '../merge/index.ts'
import { compressorVersion, type ImageParameters } from '../stack/index.ts'
import { type LayerCompression, PACKING } from './layer-packing.ts'
import type { WrittenLayer } from './layout-writer.ts'

/** Raised when a layer of the same key would get other bytes. */
const FORMAT = 2

/** A layer of the stack, and what it is in the store. */
export interface KnownLayer extends Pick<StackLayer, 'module' | 'role'> {
  id: CID
  /** Of its data file. */
  dataSha256: Buffer
  /** Patterns of the record of its module. */
  replaces: readonly string[]
}

export interface LayerCacheOptions {
  parameters: Pick<
    ImageParameters,
    'format' | 'profile' | 'audience' | 'aclModes' | 'onConflict' | 'directories'
  >
  compression: LayerCompression
  verify: boolean
}

export interface CacheUse {
  /** Layers that were copied from the cache, and that were put into it. */
  used: number
  kept: number
  /** Why a layer was not kept. */
  failure?: string
}

export class LayerCache {
  readonly use: CacheUse = { used: 0, kept: 0 }
  readonly #store: Repository
  readonly #verify: boolean
  readonly #layers: KnownLayer[]
  readonly #keys: LayerCacheKey[]

  /** @param layers bottom to top; what lies above them in the tree is not cached */
  constructor(
    store: Repository,
    layers: KnownLayer[],
    { parameters, compression, verify }: LayerCacheOptions
  ) {
    const { profile } = parameters
    this.#store = store
    this.#verify = verify
    this.#layers = layers
    this.#keys = layerDigests(layers, parameters, compression).map(digest => ({
      profile,
      compression,
      digest
    }))
  }

  /** Those that are there, by ordinal in the tree. */
  async findAll(): Promise<Map<number, CachedLayer>> {
    const found = await Promise.all(
      this.#keys.map(key => this.#store.findCachedLayer(key, { verify: this.#verify }))
    )
    const layers = new Map([...found.entries()].flatMap(([i, layer]) => (layer ? [[i, layer]] : [])))
    this.use.used += layers.size
    return layers
  }

  has(ordinal: number): boolean {
    return ordinal < this.#keys.length
  }

  /** @param blob open for reading, closed here */
  async keep(
    ordinal: number,
    { digest, size, diffId, tarBytes }: WrittenLayer,
    blob: OpenFile
  ): Promise<void> {
    try {
      const layers = this.#layers.slice(0, ordinal + 1).map(({ id }) => id)
      const note = { digest: hexOf(digest), size, diffId: hexOf(diffId), tarBytes, layers }
      const failure = await this.#store.cacheLayer(this.#keys[ordinal], note, blob)
      if (failure === undefined) this.use.kept++
      else this.use.failure ??= failure
    } finally {
      await blob.close()
    }
  }
}

/** Each takes in that of the layer below: what a layer adds depends on the tree that it is laid over. */
function layerDigests(
  layers: KnownLayer[],
  { format, profile, audience, aclModes, onConflict, directories }: LayerCacheOptions['parameters'],
  compression: LayerCompression
): Digest[] {
  const packing = compression === 'none' ? null : PACKING[compression]
  const version = packing && compressorVersion(packing.compressor)
  const rules = [aclModes, onConflict, directories]
  let below = hashOf([FORMAT, format, profile, audience, rules, compression, packing, version])
  return layers.map(({ id, module, role, replaces, dataSha256 }, i) => {
    const isLast = layers[i + 1]?.module !== module // only then its directories are decided
    // Frames are copied out of the data file, whatever version of the compressor packed that.
    const data = dataSha256.toString('hex')
    below = hashOf([below, formatCid(id), data, module, role, replaces, isLast])
    return below
  })
}

const hashOf = (parts: unknown[]): Digest =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex') as Digest

const hexOf = (digest: string): Digest => digest.slice('sha256:'.length) as Digest
