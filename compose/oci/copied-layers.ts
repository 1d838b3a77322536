/** Layers of a layout that are copied out of the store's cache while everything else is made ready. */
import type { CachedLayer } from '../../store/layer-cache/cached-layer.ts'
import { Background } from './background.ts'
import type { LayerCache } from './layer-cache.ts'
import { type LayerCompression, MEDIA_TYPE } from './layer-packing.ts'
import { LayoutFolder } from './layout-folder.ts'
import type { WrittenLayer } from './write-layers.ts'

export interface LayoutTarget {
  /** A folder that is not there. */
  target: string
  sync: boolean
  compression: LayerCompression
  /** Without it every layer is packed. */
  cache?: LayerCache
  /** Called with bytes of the tars as they are done. */
  onProgress?: (bytes: number) => void
}

/** A layout under way: whoever began it discards it in the end. */
export class BegunLayout {
  readonly folder: LayoutFolder
  /** By ordinal; what is not there has to be packed. */
  readonly copied = new Map<number, WrittenLayer>()
  readonly background = new Background()

  private constructor(folder: LayoutFolder) {
    this.folder = folder
  }

  /** @throws StrataError OUTPUT_EXISTS, IO */
  static async begin(options: LayoutTarget): Promise<BegunLayout> {
    const { target, sync, compression, cache, onProgress = () => {} } = options
    const layout = new BegunLayout(await LayoutFolder.create(target, sync))
    for (let ordinal = 0; cache?.has(ordinal); ordinal++) {
      const found = await cache.find(ordinal)
      if (found === undefined) continue
      layout.copied.set(ordinal, describe(found, compression))
      layout.background.add(copy(found, layout.folder, onProgress))
    }
    return layout
  }

  /** Leave nothing behind. After the folder was published it does nothing. */
  async discard(): Promise<void> {
    await this.background.ended()
    await this.folder.discard()
  }
}

const describe = ({ note }: CachedLayer, compression: LayerCompression): WrittenLayer => ({
  mediaType: MEDIA_TYPE[compression],
  digest: `sha256:${note.digest}`,
  size: note.size,
  diffId: `sha256:${note.diffId}`,
  tarBytes: note.tarBytes
})

async function copy(
  { note, file }: CachedLayer,
  folder: LayoutFolder,
  onProgress: (bytes: number) => void
): Promise<void> {
  try {
    await folder.addCopy(note.digest, note.size, file)
    onProgress(note.tarBytes)
  } finally {
    await file.close()
  }
}
