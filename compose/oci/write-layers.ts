/** Each layer of a stack as an OCI layer: the difference that it makes to the tree of those below it. */
import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { CompressPool, type Packer } from '../../store/object/compress-pool.ts'
import type { HashedFile } from '../../store/object/hashed-file.ts'
import { type MergedTree, type MergeOptions, mergeLayers } from '../merge/index.ts'
import { type TarSource, tarPieces } from '../tar/tar-pieces.ts'
import { treeDelta } from '../tar/tree-delta.ts'
import { type LayerCompression, MEDIA_TYPE, type PackedChunk, packPieces } from './layer-packing.ts'
import type { Descriptor, LayoutFolder } from './layout-folder.ts'

export interface WrittenLayer extends Descriptor {
  /** Of the uncompressed tar: `sha256:…`. */
  diffId: string
  /** Of the uncompressed tar. */
  tarBytes: number
}

export interface WriteLayersOptions extends MergeOptions {
  compression: LayerCompression
  /** Called with bytes of the tars as they are done. */
  onProgress?: (bytes: number) => void
}

/** Chunks whose packing is under way. */
const CHUNKS_AHEAD = 24

/**
 * One OCI layer for each layer of the tree, bottom to top.
 * @param source the whole tree, as `mergeLayers` made it of its layers with the same options
 * @throws StrataError OBJECT_CORRUPT, IO
 */
export async function writeLayers(
  source: TarSource,
  folder: LayoutFolder,
  options: WriteLayersOptions
): Promise<WrittenLayer[]> {
  const { layers } = source.tree
  const pool = new CompressPool()
  const written: WrittenLayer[] = []
  try {
    let below: MergedTree | undefined
    for (let count = 1; count <= layers.length; count++) {
      const above = count === layers.length ? source.tree : mergeLayers(layers.slice(0, count), options)
      const pieces = tarPieces(treeDelta(below, above), { ...source, tree: above }, { sparse: false })
      written.push(await writeLayer(packPieces(pieces, options.compression, pool), pool, folder, options))
      below = above
    }
  } finally {
    await pool.close()
  }
  return written
}

async function writeLayer(
  chunks: Iterable<PackedChunk>,
  pool: Packer,
  folder: LayoutFolder,
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
  /** Undefined where the blob is the tar. */
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
    // Threads that pack answer in messages, which arrive between turns only.
    if (waiting.length % pool.depth === 0) await setImmediate()
    while (waiting.length > CHUNKS_AHEAD) await file.append(await waiting.shift()!)
  }
  for (const blobBytes of waiting) await file.append(await blobBytes)
  return { diffId: `sha256:${hash.digest('hex')}`, tarBytes }
}
