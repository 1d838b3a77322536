import type { MergedTree, StackLayer } from '../merge/index.ts'
import { findLiveData, type LiveLayer } from './live-data.ts'
import { type PlacedData, placeData } from './place-data.ts'
import { type FragmentPlan, planFragments } from './plan-fragments.ts'

/** Runs of blocks of some layers, in a row in the image. Layers are numbered from 0 in all tables. */
export interface PlacedPart {
  /** Number in the tree of its first layer. */
  first: number
  layers: StackLayer[]
  live: LiveLayer[]
  placed: PlacedData
}

/** All file data of some layers: the runs, then the fragment blocks that are packed again. */
export interface DataPart extends PlacedPart {
  plan: FragmentPlan
}

/**
 * Places the data of all layers of the tree from `first` on.
 * @param start first byte of the image behind the parts before
 */
export function placePart(tree: MergedTree, first: number, start: number): PlacedPart {
  const layers = tree.layers.slice(first)
  const live = findLiveData(tree, first) //               nothing hidden is seen after this line
  const placed = placeData(layers, live, start) //        every run of blocks has its place
  return { first, layers, live, placed }
}

/** @param fragment number of the first fragment block behind the parts before */
export function planPart(part: PlacedPart, fragment: number): DataPart {
  const plan = planFragments(part.layers, part.live, fragment) // every tail has its block
  return { ...part, plan }
}
