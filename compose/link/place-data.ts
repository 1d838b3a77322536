/**
 * Places the live bytes in the image. The bytes of a data file between hidden stretches form one run. A run of at
 * least RUN_ALIGNED bytes keeps its offset within a page, so that a file system with shared blocks can share its
 * pages with the object. The layout does not depend on the file system.
 */
import { blocksOf, type LayerIndex, PAGE_BYTES, STORED_RAW, storedBytes } from '../../store/object/index.ts'
import type { StackLayer } from '../merge/index.ts'
import { Fragment, hiddenContents, type LiveLayer } from './live-data.ts'

/** Bytes of a layer's data file that stay together. */
export interface Run {
  layer: number
  source: number
  lengthBytes: number
  /** Byte of the image. */
  target: number
}

export interface PlacedData {
  /** Per layer, in ascending order. */
  runs: Run[][]
  /** First byte of the image behind all runs. */
  end: number
}

export const RUN_ALIGNED_BYTES = 1 << 20

/** @param start first free byte of the image */
export function placeData(stack: StackLayer[], live: LiveLayer[], start: number): PlacedData {
  let end = start
  const runs = stack.map(({ index }, layer) =>
    liveStretches(index, live[layer]).map(({ start: source, end: sourceEnd }): Run => {
      const lengthBytes = sourceEnd - source
      if (lengthBytes >= RUN_ALIGNED_BYTES) end += (((source - end) % PAGE_BYTES) + PAGE_BYTES) % PAGE_BYTES
      const target = end
      end += lengthBytes
      return { layer, source, lengthBytes, target }
    })
  )
  return { runs, end }
}

/** The position in the image of a byte of a layer's data file. @param runs of the layer; one of them holds the byte */
export function targetOf(runs: Run[], source: number): number {
  let low = 0
  for (let high = runs.length - 1; low < high; ) {
    const middle = (low + high + 1) >>> 1
    if (runs[middle].source <= source) low = middle
    else high = middle - 1
  }
  return runs[low].target + source - runs[low].source
}

/** Bytes [start, end) of a data file. */
interface Stretch {
  start: number
  end: number
}

/** The stretches of the data file between the hidden ones. */
function liveStretches(index: LayerIndex, live: LiveLayer): Stretch[] {
  const hidden = hiddenStretches(index, live).sort((a, b) => a.start - b.start)
  const found: Stretch[] = []
  let at = 0
  for (const { start, end } of [...hidden, { start: index.dataBytes, end: index.dataBytes }]) {
    if (start > at) found.push({ start: at, end: start })
    at = Math.max(at, end)
  }
  return found
}

function hiddenStretches(index: LayerIndex, { used, donors, fragment }: LiveLayer): Stretch[] {
  const blocks = [...hiddenContents(used), ...donors.keys()].map(content => blocksStretch(index, content))
  const fragments = [Fragment.dead, Fragment.partial].flatMap(state =>
    blocksIn(fragment, state).map(block => {
      const start = index.fragmentStart[block]
      return { start, end: start + (index.fragmentStored[block] & ~STORED_RAW) }
    })
  )
  return [...blocks, ...fragments].filter(({ start, end }) => end > start)
}

/** The part of the data file with the blocks of a content; empty if it has none, or only holes. */
function blocksStretch(index: LayerIndex, content: number): Stretch {
  const first = index.contentFirstBlock[content]
  const count = blocksOf(index, content, index.profile.blockSize)
  const start = index.contentStart[content]
  return { start, end: start + storedBytes(index.blockStored, first, first + count) }
}

/** Fragment blocks in a given state, in ascending order. */
function blocksIn(fragment: Uint8Array, state: number): number[] {
  const found: number[] = []
  for (let block = fragment.indexOf(state); block >= 0; block = fragment.indexOf(state, block + 1))
    found.push(block)
  return found
}
