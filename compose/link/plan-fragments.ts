/**
 * Fragment blocks of the image. Those of the layers are taken as they are while every byte of them may be seen; from
 * the others the tails that may be seen are gathered, in the order of layers, blocks and offsets, into new blocks.
 * Where each tail will be follows from the indexes alone, so inodes can be written before anything is packed.
 */
import { type LayerIndex, NONE } from '../../store/object/layer-index.ts'
import type { StackLayer } from '../merge/index.ts'
import { NO_FRAGMENT } from '../squashfs/format.ts'
import { Fragment, type LiveData, type LiveLayer, tailBytes } from './live-data.ts'

export interface FragmentPlan {
  /** Blocks that are taken as they are: they come first, in this order. */
  whole: { layer: number; block: number }[]
  /** Blocks to be packed anew, behind those. */
  repacked: NewBlock[]
  /** Per layer. */
  layers: TailPlaces[]
}

/** Tails that come to lie one after another, from the first byte on. */
export type NewBlock = { layer: number; content: number }[]

export interface TailPlaces {
  /** Per fragment block of the layer: its number in the image, NO_FRAGMENT unless taken as it is. */
  fragment: Uint32Array
  /** Per content whose tail moved: number of the new block and offset in it. */
  moved: Map<number, { fragment: number; offset: number }>
}

/** @param before fragment blocks that the image has already */
export function planFragments(layers: StackLayer[], live: LiveData, before: number): FragmentPlan {
  const plan: FragmentPlan = { whole: [], repacked: [], layers: [] }
  layers.forEach((_, layer) => {
    plan.layers.push({ fragment: takeWhole(live.layers[layer], layer, plan.whole, before), moved: new Map() })
  })
  let filled = Number.POSITIVE_INFINITY
  layers.forEach(({ index }, layer) => {
    for (const content of tornTails(index, live.layers[layer])) {
      const bytes = tailBytes(index, content)
      if (filled + bytes > index.profile.blockSize) {
        plan.repacked.push([])
        filled = 0
      }
      const fragment = before + plan.whole.length + plan.repacked.length - 1
      plan.layers[layer].moved.set(content, { fragment, offset: filled })
      plan.repacked.at(-1)!.push({ layer, content })
      filled += bytes
    }
  })
  return plan
}

function takeWhole(
  { fragment }: LiveLayer,
  layer: number,
  whole: FragmentPlan['whole'],
  before: number
): Uint32Array {
  const numbers = new Uint32Array(fragment.length).fill(NO_FRAGMENT)
  for (let block = 0; block < fragment.length; block++)
    if (fragment[block] === Fragment.whole) numbers[block] = before + whole.push({ layer, block }) - 1
  return numbers
}

/** Contents whose tails have to move, by block and offset. */
function tornTails(index: LayerIndex, { used, fragment }: LiveLayer): number[] {
  if (!fragment.includes(Fragment.partial)) return []
  const { contentFragment, contentFragmentOffset } = index
  const found: number[] = []
  for (let content = 0; content < used.length; content++) {
    const block = contentFragment[content]
    if (used[content] === 1 && block !== NONE && fragment[block] === Fragment.partial) found.push(content)
  }
  return found.sort(
    (a, b) => contentFragment[a] - contentFragment[b] || contentFragmentOffset[a] - contentFragmentOffset[b]
  )
}
