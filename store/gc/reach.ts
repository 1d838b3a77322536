/** Everything that records and layers need: manifests, tarballs, sidecars, along the chain of parents. */
import type { CID } from 'multiformats/cid'
import { readLayer, readRecord } from '../contents/index.ts'
import type { Store } from '../files/index.ts'
import { type Digest, StrataError, sha256Of } from '../values/index.ts'

export interface Roots {
  records: CID[]
  layers: CID[]
}

/** True if a manifest that cannot be read, with this error, counts as naming nothing. */
export type Tolerate = (error: StrataError) => boolean

const nothing: Tolerate = () => false

export class Reach {
  /** Blobs of every kind: records, layer manifests, sidecars, tarballs. */
  readonly blobs = new Set<Digest>()
  readonly layers = new Set<Digest>()
  readonly tars = new Set<Digest>()
  readonly #store: Store
  #tolerate = nothing

  constructor(store: Store) {
    this.#store = store
  }

  /** @throws StrataError BLOB_MISSING, BLOB_CORRUPT, MANIFEST_INVALID: other needed files are then unknown */
  async add({ records, layers }: Roots, tolerate = nothing): Promise<this> {
    this.#tolerate = tolerate
    for (const record of records) await this.#record(record)
    for (const layer of layers) await this.#chain(layer)
    return this
  }

  async #record(id: CID): Promise<void> {
    if (this.blobs.has(sha256Of(id))) return
    const record = await this.#readable(readRecord(this.#store, id))
    this.blobs.add(sha256Of(id))
    for (const layer of record?.layers ?? []) await this.#chain(layer)
  }

  async #chain(top: CID): Promise<void> {
    let id: CID | undefined = top
    while (id !== undefined && !this.layers.has(sha256Of(id))) id = await this.#layer(id)
  }

  /** Adds a layer. @returns its parent */
  async #layer(id: CID): Promise<CID | undefined> {
    const layer = await this.#readable(readLayer(this.#store, id))
    this.layers.add(sha256Of(id))
    this.blobs.add(sha256Of(id))
    if (layer === undefined) return undefined
    this.tars.add(sha256Of(layer.tar))
    this.blobs.add(sha256Of(layer.tar))
    if (layer.sidecar !== undefined) this.blobs.add(sha256Of(layer.sidecar))
    return layer.parent
  }

  async #readable<T>(reading: Promise<T>): Promise<T | undefined> {
    try {
      return await reading
    } catch (error) {
      if (error instanceof StrataError && this.#tolerate(error)) return undefined
      throw error
    }
  }
}
