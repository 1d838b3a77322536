/** Writes each layer of a stack as an OCI layer: the changes that it makes to the tree of the layers below. */
import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { CompressPool, type HashedFile, InlinePacker, type Packer } from '../../store/object/index.ts'
import { type MergedTree, type MergeOptions, mergeLayers } from '../merge/index.ts'
import { type TarSource, tarPieces, treeDelta } from '../tar/index.ts'
import type { BegunLayout, LayoutTarget } from './copied-layers.ts'
import { MEDIA_TYPE, type PackedChunk, packPieces } from './layer-packing.ts'
import type { LayoutWriter, WrittenLayer } from './layout-writer.ts'

export interface WriteLayersOptions
  extends MergeOptions,
    Pick<LayoutTarget, 'compression' | 'cache' | 'onProgress'> {
  /** A tree of the lower layers, if it exists already. */
  lower?: MergedTree
}

/** Limit of chunks that are being packed. */
const CHUNKS_AHEAD = 24

/**
 * Writes one OCI layer for each layer of the tree, bottom to top, except those that are being copied.
 * @param source the whole tree, as `mergeLayers` made it of its layers with the same options
 * @throws StrataError OBJECT_CORRUPT, IO
 */
export async function writeLayers(
  source: TarSource,
  { folder, copied, background }: BegunLayout,
  options: WriteLayersOptions
): Promise<WrittenLayer[]> {
  const { cache, compression } = options
  const written: WrittenLayer[] = []
  const treeOf = lowerTrees(source.tree, options)
  const pool = source.tree.layers.some(({ role }, i) => role !== 'generated' && !copied.has(i))
    ? new CompressPool()
    : undefined
  const packer = pool ?? new InlinePacker() // starting a worker takes longer than packing the generated files
  try {
    for (const ordinal of source.tree.layers.keys()) {
      const known = copied.get(ordinal)
      if (known !== undefined) {
        written.push(known)
        continue
      }
      const below = treeOf(ordinal)
      const above = treeOf(ordinal + 1)!
      const pieces = tarPieces(treeDelta(below, above), { ...source, tree: above }, { sparse: false })
      const layer = await writeLayer(packPieces(pieces, compression, packer), packer, folder, options)
      written.push(layer)
      if (cache?.has(ordinal)) background.add(cache.keep(ordinal, layer, await folder.openBlob(layer.digest)))
    }
  } finally {
    await pool?.close()
  }
  await background.done()
  return written
}

/** Merges the lowest layers. The last tree is kept, because the next layer is added to it. */
function lowerTrees(
  tree: MergedTree,
  { lower, ...options }: WriteLayersOptions
): (count: number) => MergedTree | undefined {
  const known = [tree, ...(lower === undefined ? [] : [lower])]
  let last = tree
  const isCut = (count: number) => tree.layers[count].module === tree.layers[count - 1].module
  return count => {
    if (count === 0) return undefined
    const found = [last, ...known].find(({ layers }) => layers.length === count)
    last = found ?? mergeLayers(tree.layers.slice(0, count), { ...options, isCut: isCut(count) })
    return last
  }
}

async function writeLayer(
  chunks: Iterable<PackedChunk>,
  pool: Packer,
  folder: LayoutWriter,
  { compression, onProgress = () => {} }: WriteLayersOptions
): Promise<WrittenLayer> {
  const { digest, size, result } = await folder.addBlob(file =>
    compression === 'none'
      ? appendRaw(chunks, file, onProgress)
      : appendPacked(chunks, pool, file, onProgress)
  )
  return {
    mediaType: MEDIA_TYPE[compression],
    digest,
    size,
    diffId: result.diffId ?? digest,
    tarBytes: result.tarBytes
  }
}

interface Appended {
  /** Undefined if the blob is the tar itself. */
  diffId?: string
  tarBytes: number
}

async function appendRaw(
  chunks: Iterable<PackedChunk>,
  file: HashedFile,
  onProgress: (bytes: number) => void
): Promise<Appended> {
  for (const { rawBytes } of chunks) {
    await file.append(rawBytes)
    onProgress(rawBytes.length)
  }
  return { tarBytes: file.position }
}

async function appendPacked(
  chunks: Iterable<PackedChunk>,
  pool: Packer,
  file: HashedFile,
  onProgress: (bytes: number) => void
): Promise<Appended> {
  const hash = createHash('sha256')
  const waiting: (Promise<Uint8Array> | Uint8Array)[] = []
  let tarBytes = 0
  for (const { rawBytes, blobBytes } of chunks) {
    if (blobBytes instanceof Promise) blobBytes.catch(() => {}) // reported when its turn comes
    waiting.push(blobBytes)
    hash.update(rawBytes)
    tarBytes += rawBytes.length
    onProgress(rawBytes.length)
    // Packing threads answer in messages, which arrive only between turns of the event loop.
    if (waiting.length % pool.depth === 0) await setImmediate()
    while (waiting.length > CHUNKS_AHEAD) await file.append(await waiting.shift()!)
  }
  for (const blobBytes of waiting) await file.append(await blobBytes)
  return { diffId: `sha256:${hash.digest('hex')}`, tarBytes }
}
