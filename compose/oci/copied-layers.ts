/** Layers of a layout that are copied from the store's cache while the rest is prepared. */
import type { CachedLayer, CachedNote } from '../../store/layer-cache/index.ts'
import { Background } from './background.ts'
import type { LayerCache } from './layer-cache.ts'
import { type LayerCompression, MEDIA_TYPE } from './layer-packing.ts'
import { LayoutWriter, type WrittenLayer } from './layout-writer.ts'

export interface LayoutTarget {
  /** A folder that does not exist yet. */
  target: string
  sync: boolean
  compression: LayerCompression
  /** Without a cache every layer is packed. */
  cache?: LayerCache
  /** Called with the number of finished bytes of the tars. */
  onProgress?: (bytes: number) => void
}

/** A layout that is being written. The caller has to call `discard` in the end. */
export class BegunLayout {
  readonly folder: LayoutWriter
  /** Copied layers by ordinal; all others have to be packed. */
  readonly copied = new Map<number, WrittenLayer>()
  readonly background = new Background()
  #stop = () => {}

  private constructor(folder: LayoutWriter) {
    this.folder = folder
  }

  /** @throws StrataError OUTPUT_EXISTS, IO */
  static async begin(options: LayoutTarget): Promise<BegunLayout> {
    const { target, sync, compression, cache, onProgress = () => {} } = options
    const layout = new BegunLayout(await LayoutWriter.create(target, sync))
    try {
      const found = (await cache?.findAll()) ?? new Map<number, CachedLayer>()
      for (const [ordinal, { note }] of found) layout.copied.set(ordinal, describe(note, compression))
      if (found.size > 0) await layout.#copy([...found.values()], onProgress)
      return layout
    } catch (error) {
      await layout.discard()
      throw error
    }
  }

  /** Returns when copying has begun, because computing beside it would keep it from starting. */
  async #copy(layers: CachedLayer[], onProgress: (bytes: number) => void): Promise<void> {
    const sources = layers.map(({ note: { digest, size }, file }) => ({ digest, size, file }))
    const closeAll = async () => {
      for (const { file } of layers) await file.close()
    }
    try {
      const copying = await this.folder.copyBlobs(sources, inBytesOfTars(layers, onProgress))
      this.#stop = copying.stop
      this.background.add(copying.done.finally(closeAll))
    } catch (error) {
      await closeAll()
      throw error
    }
  }

  /** Removes the folder. After it was published this does nothing. */
  async discard(): Promise<void> {
    this.#stop()
    await this.background.ended()
    await this.folder.discard()
  }
}

/** Converts bytes of blobs into bytes of the tars inside them, for progress. */
function inBytesOfTars(layers: CachedLayer[], onProgress: (bytes: number) => void): (bytes: number) => void {
  const sum = (bytesOf: (note: CachedNote) => number) =>
    layers.reduce((total, { note }) => total + bytesOf(note), 0)
  const ratio = sum(({ tarBytes }) => tarBytes) / sum(({ size }) => size)
  return bytes => onProgress(bytes * ratio)
}

const describe = (note: CachedNote, compression: LayerCompression): WrittenLayer => ({
  mediaType: MEDIA_TYPE[compression],
  digest: `sha256:${note.digest}`,
  size: note.size,
  diffId: `sha256:${note.diffId}`,
  tarBytes: note.tarBytes
})
