/**
 * Plans the fragment blocks of the image. A block of a layer is copied if every byte of it may be seen. From the
 * other blocks the visible tails are gathered into new blocks, in the order of layers, blocks and offsets. The place
 * of each tail follows from the indexes alone, so inodes can be written before anything is packed.
 */
import { type LayerIndex, NONE, tailBytes } from '../../store/object/index.ts'
import type { StackLayer } from '../merge/index.ts'
import { NO_FRAGMENT } from '../squashfs/index.ts'
import { Fragment, hiddenContents, type LiveLayer } from './live-data.ts'

export interface FragmentPlan {
  /** Blocks to be packed again, behind the copied ones. */
  repacked: NewBlock[]
  /** Per layer. */
  layers: TailPlaces[]
}

/** Tails that lie one after another in a new block, from its first byte on. */
export type NewBlock = { layer: number; content: number }[]

export interface TailPlaces {
  /** Per fragment block of the layer: its number in the image, ascending; NO_FRAGMENT if it is not copied. */
  fragment: Uint32Array
  /** Per content whose tail moved: number of the new block and offset in it. */
  moved: Map<number, { fragment: number; offset: number }>
}

/** @param before number of fragment blocks that the image already has */
export function planFragments(layers: StackLayer[], live: LiveLayer[], before: number): FragmentPlan {
  let next = before
  const places = live.map(({ fragment: states }): TailPlaces => {
    const fragment = new Uint32Array(states.length).fill(NO_FRAGMENT)
    for (let block = 0; block < states.length; block++)
      if (states[block] === Fragment.whole) fragment[block] = next++
    return { fragment, moved: new Map() }
  })
  const repacked: NewBlock[] = []
  let filled = Number.POSITIVE_INFINITY
  layers.forEach(({ index }, layer) => {
    for (const content of tornTails(index, live[layer])) {
      const bytes = tailBytes(index, content, index.profile.blockSize)
      if (filled + bytes > index.profile.blockSize) {
        repacked.push([])
        filled = 0
      }
      places[layer].moved.set(content, { fragment: next + repacked.length - 1, offset: filled })
      repacked.at(-1)!.push({ layer, content })
      filled += bytes
    }
  })
  return { repacked, layers: places }
}

/**
 * Contents whose tails have to move. Their numbers follow the order of fragments and offsets (spec/object.md#tables).
 */
function tornTails({ contentFragment }: LayerIndex, { used, fragment }: LiveLayer): number[] {
  const found: number[] = []
  let last = NONE
  for (const hidden of hiddenContents(used)) {
    const block = contentFragment[hidden]
    if (block === last || fragment[block] !== Fragment.partial) continue
    last = block
    const isNear = (content: number) =>
      contentFragment[content] === block || contentFragment[content] === NONE
    let first = hidden
    while (first > 0 && isNear(first - 1)) first--
    for (let content = first; content < used.length && isNear(content); content++)
      if (used[content] === 1 && contentFragment[content] === block) found.push(content)
  }
  return found
}
