/**
 * The store's cache of packed layers (spec/outputs.md#cache). The key of a layer is the hash of all that the bytes of
 * its blob depend on.
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

/** Raised by a change that would give a layer with the same key other bytes. */
const FORMAT = 2

/** A layer of the stack, with its data in the store. */
export interface KnownLayer extends Pick<StackLayer, 'module' | 'role'> {
  id: CID
  /** Digest of its data file. */
  dataSha256: Buffer
  /** `replaces` patterns of its module's record. */
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
  /** Number of layers that were copied from the cache, and that were added to it. */
  used: number
  kept: number
  /** The reason why a layer was not added. */
  failure?: string
}

export class LayerCache {
  readonly use: CacheUse = { used: 0, kept: 0 }
  readonly #store: Repository
  readonly #verify: boolean
  readonly #layers: KnownLayer[]
  readonly #keys: LayerCacheKey[]

  /** @param layers bottom to top; further layers of the tree are not cached */
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

  /** The cached layers, by ordinal in the tree. */
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

  /** @param blob open for reading; it is closed here */
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

/** Each digest includes that of the layer below, because the blob of a layer depends on the tree below it. */
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
    const isLast = layers[i + 1]?.module !== module // a module's directories are decided in its last layer
    // Frames are copied from the data file, so the version of the compressor does not matter.
    const data = dataSha256.toString('hex')
    below = hashOf([below, formatCid(id), data, module, role, replaces, isLast])
    return below
  })
}

const hashOf = (parts: unknown[]): Digest =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex') as Digest

const hexOf = (digest: string): Digest => digest.slice('sha256:'.length) as Digest
