/**
 * Which bytes of the layers' data files belong into the image: those of files that can still be seen
 * (spec/squashfs.md#hidden-bytes). A file that an upper layer hid or replaced leaves nothing behind, except where the
 * same bytes are seen elsewhere: after `chown -R` in an upper layer the lower layer's fragments stay as they are.
 */
import { blocksOf, Kind, type LayerIndex, NONE } from '../../store/object/layer-index.ts'
import { sameContent } from '../merge/compare.ts'
import type { MergedTree } from '../merge/index.ts'

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

/** @param first of the layers to look at; those of the result are numbered from it */
export function findLiveData(tree: MergedTree, first = 0): LiveData {
  const indexes = tree.layers.slice(first).map(({ index }) => index)
  const layers = indexes.map(index => ({
    used: new Uint8Array(index.contentSize.length),
    hasBlocks: new Uint8Array(index.contentSize.length),
    fragment: new Uint8Array(index.fragmentBytes.length)
  }))
  markUsed(tree, first, layers)
  const donors = shareBlocks(indexes, layers)
  classifyFragments(indexes, layers)
  return { layers, donors }
}

function markUsed(
  { inodeKind, inodeLayer, inodeSource, layers: all }: MergedTree,
  first: number,
  layers: LiveLayer[]
): void {
  const payloads = all.slice(first).map(({ index }) => index.payload)
  const used = layers.map(layer => layer.used)
  for (let inode = 0; inode < inodeKind.length; inode++) {
    const layer = inodeLayer[inode] - first
    if (inodeKind[inode] === Kind.file && layer >= 0) used[layer][payloads[layer][inodeSource[inode]]] = 1
  }
}

function shareBlocks(indexes: LayerIndex[], layers: LiveLayer[]): Map<number, Donor> {
  const donors = new Map<number, Donor>()
  const large = new Map<string, Donor>()
  indexes.forEach((index, layer) => {
    const { used, hasBlocks } = layers[layer]
    const { contentSize } = index
    const { blockSize } = index.profile
    for (let content = 0; content < used.length; content++) {
      if (contentSize[content] < blockSize || used[content] === 0) continue
      hasBlocks[content] = 1
      if (contentSize[content] < SHARED_BYTES) continue
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
  const torn: Torn[] = []
  indexes.forEach((index, layer) => {
    const { used, fragment } = layers[layer]
    const { contentFragment } = index
    for (let content = 0; content < used.length; content++)
      if (used[content] === 1 && contentFragment[content] !== NONE)
        fragment[contentFragment[content]] = Fragment.whole
    for (let content = 0; content < used.length; content++) {
      const block = contentFragment[content]
      if (used[content] === 0 && block !== NONE && fragment[block] === Fragment.whole)
        torn.push({ layer, content, block })
    }
  })
  // Hidden here, but not hidden: the same bytes are seen somewhere.
  const seen = seenElsewhere(torn, indexes, layers)
  for (const hidden of torn)
    if (!seen.has(hidden)) layers[hidden.layer].fragment[hidden.block] = Fragment.partial
}

/** A content that nobody sees, in a fragment block that is wanted for others. */
interface Torn {
  layer: number
  content: number
  block: number
}

/** Those whose bytes a file of the image has as well. Few are hidden and many seen, so each seen one costs a look. */
function seenElsewhere(torn: Torn[], indexes: LayerIndex[], layers: LiveLayer[]): Set<Torn> {
  const found = new Set<Torn>()
  if (torn.length === 0) return found
  const byHash = new Map<number, Torn[]>()
  const byteOfSome = new Uint8Array(256)
  for (const hidden of torn) {
    const index = indexes[hidden.layer]
    const hash = shortHash(index, hidden.content)
    byHash.set(hash, [...(byHash.get(hash) ?? []), hidden])
    byteOfSome[index.contentHash[32 * hidden.content]] = 1
  }
  indexes.forEach((index, layer) => {
    const { used } = layers[layer]
    const { contentHash } = index
    for (let content = 0; content < used.length; content++) {
      if (byteOfSome[contentHash[32 * content]] === 0 || used[content] === 0) continue
      for (const hidden of byHash.get(shortHash(index, content)) ?? [])
        if (sameContent(indexes[hidden.layer], hidden.content, index, content)) found.add(hidden)
    }
  })
  return found
}

/** The first bytes of a SHA-256 are as random as any hash of it. */
function shortHash({ contentHash }: LayerIndex, content: number): number {
  const at = 32 * content
  return (
    contentHash[at] | (contentHash[at + 1] << 8) | (contentHash[at + 2] << 16) | (contentHash[at + 3] << 24)
  )
}

/** Bytes of a content that lie in its fragment. */
export const tailBytes = (index: LayerIndex, content: number): number =>
  index.contentSize[content] -
  blocksOf(index.contentSize[content], index.profile.blockSize) * index.profile.blockSize
