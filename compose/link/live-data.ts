/**
 * Which bytes of the layers' data files belong into the image: those of files that can still be seen
 * (spec/squashfs.md#hidden-bytes). A file that an upper layer hid or replaced leaves nothing behind, except where the
 * same bytes are seen elsewhere: after `chown -R` in an upper layer the lower layer's fragments stay as they are.
 */
import { blocksOf, Kind, type LayerIndex, NONE } from '../../store/object/layer-index.ts'
import type { MergedTree } from '../merge/index.ts'
import { ContentSet } from './content-set.ts'

export const Fragment = { dead: 0, whole: 1, partial: 2 } as const

export interface LiveLayer {
  /** Per content: 1 when a file of the image has it. */
  used: Uint8Array
  /** Per content: 1 when its blocks go into the image from here. */
  hasBlocks: Uint8Array
  /** Per fragment block: left out, taken as it is, or repacked. */
  fragment: Uint8Array
}

/** A content elsewhere that has the same bytes. */
export interface Donor {
  layer: number
  content: number
}

export interface LiveData {
  layers: LiveLayer[]
  /** Contents whose blocks are those of an equal content of a lower layer; key is `donorKey`. */
  donors: Map<number, Donor>
}

export const donorKey = (layer: number, content: number): number => layer * 2 ** 32 + content

/** Smaller equal contents are stored again: leaving them out would tear runs that copy as one. */
const SHARED_BYTES = 1 << 20

export function findLiveData(tree: MergedTree): LiveData {
  const layers = tree.layers.map(({ index }) => ({
    used: new Uint8Array(index.contentSize.length),
    hasBlocks: new Uint8Array(index.contentSize.length),
    fragment: new Uint8Array(index.fragmentBytes.length)
  }))
  for (let inode = 0; inode < tree.inodeKind.length; inode++) {
    if (tree.inodeKind[inode] !== Kind.file) continue
    const layer = tree.inodeLayer[inode]
    layers[layer].used[tree.layers[layer].index.payload[tree.inodeSource[inode]]] = 1
  }
  const indexes = tree.layers.map(({ index }) => index)
  const donors = shareBlocks(indexes, layers)
  classifyFragments(indexes, layers)
  return { layers, donors }
}

function shareBlocks(indexes: LayerIndex[], layers: LiveLayer[]): Map<number, Donor> {
  const donors = new Map<number, Donor>()
  const large = new Map<string, Donor>()
  indexes.forEach((index, layer) => {
    const { used, hasBlocks } = layers[layer]
    for (let content = 0; content < used.length; content++) {
      if (used[content] === 0 || index.contentSize[content] < index.profile.blockSize) continue
      hasBlocks[content] = 1
      if (index.contentSize[content] < SHARED_BYTES) continue
      const hash = Buffer.from(index.contentHash.subarray(32 * content, 32 * content + 32)).toString('latin1')
      const donor = large.get(hash)
      if (donor === undefined) large.set(hash, { layer, content })
      else {
        hasBlocks[content] = 0
        donors.set(donorKey(layer, content), donor)
      }
    }
  })
  return donors
}

function classifyFragments(indexes: LayerIndex[], layers: LiveLayer[]): void {
  let seen: ContentSet | undefined
  indexes.forEach((index, layer) => {
    const { used, fragment } = layers[layer]
    const deadBytes = Uint32Array.from(index.fragmentBytes)
    for (let content = 0; content < used.length; content++)
      if (used[content] === 1 && index.contentFragment[content] !== NONE) {
        fragment[index.contentFragment[content]] = Fragment.whole
        deadBytes[index.contentFragment[content]] -= tailBytes(index, content)
      }
    // Hidden here, but not hidden: the same bytes are seen somewhere.
    if (fragment.some((state, i) => state === Fragment.whole && deadBytes[i] > 0)) {
      seen ??= ContentSet.of(indexes, layers)
      for (let content = 0; content < used.length; content++) {
        const block = index.contentFragment[content]
        if (
          used[content] === 0 &&
          block !== NONE &&
          fragment[block] === Fragment.whole &&
          seen.has(index, content)
        )
          deadBytes[block] -= tailBytes(index, content)
      }
    }
    for (let i = 0; i < fragment.length; i++)
      if (fragment[i] === Fragment.whole && deadBytes[i] > 0) fragment[i] = Fragment.partial
  })
}

/** Bytes of a content that lie in its fragment. */
export const tailBytes = (index: LayerIndex, content: number): number =>
  index.contentSize[content] -
  blocksOf(index.contentSize[content], index.profile.blockSize) * index.profile.blockSize
