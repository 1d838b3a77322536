/**
 * Where live bytes go in the image. Stored blocks that lie side by side in a data file travel as one run. A run of
 * at least RUN_ALIGNED bytes keeps its offset within a page, so that its pages can be shared with the object where
 * the file system can; whether it can has no influence on the layout.
 */
import { blocksOf, type LayerIndex, STORED_RAW, storedBytes } from '../../store/object/layer-index.ts'
import type { StackLayer } from '../merge/index.ts'
import { Fragment, type LiveData, type LiveLayer } from './live-data.ts'

/** Bytes of a layer's data file that stay together. */
export interface Run {
  layer: number
  source: number
  lengthBytes: number
  /** Byte of the image. */
  target: number
}

export interface PlacedLayer {
  /** Per content that brings its blocks: where they start in the image. */
  contentStart: Float64Array
  /** Per fragment block that is taken as it is: where it starts in the image. */
  fragmentStart: Float64Array
}

export interface PlacedData {
  runs: Run[]
  layers: PlacedLayer[]
  /** First byte of the image behind all runs. */
  end: number
}

export const PAGE_BYTES = 4096
export const RUN_ALIGNED_BYTES = 1 << 20

/** @param start first byte of the image that is free */
export function placeData(stack: StackLayer[], live: LiveData, start: number): PlacedData {
  const runs: Run[] = []
  let end = start
  const layers = stack.map(({ index }, layer) => {
    const extents = findExtents(index, live.layers[layer])
    const placed = {
      contentStart: new Float64Array(index.contentSize.length),
      fragmentStart: new Float64Array(index.fragmentStart.length)
    }
    let i = 0
    while (i < extents.count) {
      const { next, length } = runFrom(extents, i)
      const source = extents.start[i]
      if (length >= RUN_ALIGNED_BYTES) end += (((source - end) % PAGE_BYTES) + PAGE_BYTES) % PAGE_BYTES
      runs.push({ layer, source, lengthBytes: length, target: end })
      for (; i < next; i++) assign(placed, index, extents.row[i], end + extents.start[i] - source)
      end += length
    }
    return placed
  })
  return { runs, layers, end }
}

/** Live stretches of a data file by their start. Rows from the number of contents on are fragment blocks. */
interface Extents {
  count: number
  row: Uint32Array
  start: Float64Array
  length: Float64Array
}

function findExtents(index: LayerIndex, { hasBlocks, fragment }: LiveLayer): Extents {
  const contents = hasBlocks.length
  const startOf = (row: number) =>
    row < contents ? index.contentStart[row] : index.fragmentStart[row - contents]
  const lengthOf = (row: number) =>
    row < contents ? blockBytes(index, row) : index.fragmentStored[row - contents] & ~STORED_RAW
  const withBlocks: number[] = []
  // A content that is all hole has blocks, and nothing of it is stored.
  for (let i = 0; i < contents; i++) if (hasBlocks[i] === 1 && lengthOf(i) > 0) withBlocks.push(i)
  const fragments: number[] = []
  for (let i = 0; i < fragment.length; i++) if (fragment[i] === Fragment.whole) fragments.push(contents + i)
  const row = inOrder(withBlocks, fragments, startOf)
  return {
    count: row.length,
    row,
    start: Float64Array.from(row, startOf),
    length: Float64Array.from(row, lengthOf)
  }
}

/** Both by where they start. A compiler writes each in the order of its numbers, so that they only have to be joined. */
function inOrder(a: number[], b: number[], startOf: (row: number) => number): Uint32Array {
  const rows = new Uint32Array(a.length + b.length)
  let isOrdered = true
  for (let i = 0, j = 0, before = 0; i + j < rows.length; ) {
    const fromA = j === b.length || (i < a.length && startOf(a[i]) <= startOf(b[j]))
    const row = fromA ? a[i] : b[j]
    rows[i + j] = row
    if (fromA) i++
    else j++
    isOrdered &&= startOf(row) >= before
    before = startOf(row)
  }
  return isOrdered ? rows : rows.sort((x, y) => startOf(x) - startOf(y) || x - y)
}

/** Bytes that the blocks of a content take in the data file. */
function blockBytes(index: LayerIndex, content: number): number {
  const first = index.contentFirstBlock[content]
  return storedBytes(
    index.blockStored,
    first,
    first + blocksOf(index.contentSize[content], index.profile.blockSize)
  )
}

function runFrom(extents: Extents, first: number): { next: number; length: number } {
  const source = extents.start[first]
  let end = source + extents.length[first]
  let next = first + 1
  for (; next < extents.count && extents.start[next] <= end; next++)
    end = Math.max(end, extents.start[next] + extents.length[next])
  return { next, length: end - source }
}

function assign(placed: PlacedLayer, index: LayerIndex, row: number, target: number): void {
  const contents = index.contentSize.length
  if (row < contents) placed.contentStart[row] = target
  else placed.fragmentStart[row - contents] = target
}
