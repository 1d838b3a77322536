import type { MergedTree, StackLayer } from '../merge/index.ts'
import { findLiveData, type LiveData } from './live-data.ts'
import { type PlacedData, placeData } from './place-data.ts'
import { type FragmentPlan, planFragments } from './plan-fragments.ts'

/**
 * File data of some layers, side by side in the image: runs of blocks, then the fragment blocks that are packed anew.
 * Layers are numbered from 0 in all of its tables.
 */
export interface DataPart {
  /** Number in the tree of its first layer. */
  first: number
  layers: StackLayer[]
  live: LiveData
  placed: PlacedData
  plan: FragmentPlan
}

/**
 * All layers of the tree from `first` on.
 * @param free what the parts before leave: first byte of the image, number of the first fragment block
 */
export function placePart(
  tree: MergedTree,
  first: number,
  free: { start: number; fragment: number }
): DataPart {
  const layers = tree.layers.slice(first)
  const live = findLiveData(tree, first) //                      nothing hidden is seen after this line
  const placed = placeData(layers, live, free.start) //          every run of blocks has its place
  const plan = planFragments(layers, live, free.fragment) //     every tail has its block
  return { first, layers, live, placed, plan }
}
