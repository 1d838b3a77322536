/**
 * Finds the bytes of the layers' data files that belong into the image: those of visible files
 * (spec/squashfs.md#hidden-bytes). A file that an upper layer hid or replaced leaves nothing behind, unless the same
 * bytes are visible elsewhere: after `chown -R` in an upper layer the lower layer's fragments stay as they are.
 *
 * Most layers hide little of each other, and every byte of a data file belongs to a content or a fragment block
 * (spec/object.md#tables). So the cost here depends on what is hidden, not on what is visible.
 */
import { HASH_BYTES, Kind, type LayerIndex, NONE, tailBytes } from '../../store/object/index.ts'
import { type MergedTree, sameContent } from '../merge/index.ts'

export const Fragment = { dead: 0, whole: 1, partial: 2 } as const

export interface LiveLayer {
  /** Per content: 1 if a file of the image has it. */
  used: Uint8Array
  /** Contents whose blocks are taken from an equal content of a lower layer. */
  donors: Map<number, Donor>
  /** Per fragment block: dropped, copied or repacked. */
  fragment: Uint8Array
}

/** An equal content of another layer. */
export interface Donor {
  layer: number
  content: number
}

/** Smaller equal contents are stored twice, because leaving them out would split runs that are copied as one. */
const SHARED_BYTES = 1 << 20

/** @param first layer to look at; layers of the result are numbered from it */
export function findLiveData(tree: MergedTree, first = 0): LiveLayer[] {
  const indexes = tree.layers.slice(first).map(({ index }) => index)
  const used = indexes.map(({ contentSize }) => new Uint8Array(contentSize.length))
  markUsed(tree, first, indexes, used)
  const donors = shareBlocks(indexes, used)
  const fragments = classifyFragments(indexes, used)
  return indexes.map((_, i) => ({ used: used[i], donors: donors[i], fragment: fragments[i] }))
}

function markUsed(
  { inodeKind, inodeLayer, inodeSource }: MergedTree,
  first: number,
  indexes: LayerIndex[],
  used: Uint8Array[]
): void {
  for (let inode = 0; inode < inodeKind.length; inode++) {
    const layer = inodeLayer[inode] - first
    if (inodeKind[inode] === Kind.file && layer >= 0)
      used[layer][indexes[layer].payload[inodeSource[inode]]] = 1
  }
}

/** Contents that no file of the image has, in ascending order. */
export function hiddenContents(used: Uint8Array): number[] {
  const found: number[] = []
  for (let content = used.indexOf(0); content >= 0; content = used.indexOf(0, content + 1))
    found.push(content)
  return found
}

function shareBlocks(indexes: LayerIndex[], used: Uint8Array[]): Map<number, Donor>[] {
  const lowest = new Map<string, Donor>()
  return indexes.map((index, layer) => {
    const donors = new Map<number, Donor>()
    for (const content of largeContents(index, used[layer])) {
      // Both have equally many blocks only if both have a fragment, or neither has.
      const isInBlocks = index.contentFragment[content] === NONE
      const key = `${isInBlocks}${Buffer.from(hashOf(index, content)).toString('latin1')}`
      const donor = lowest.get(key)
      if (donor === undefined) lowest.set(key, { layer, content })
      else donors.set(content, donor)
    }
    return donors
  })
}

function largeContents({ contentSize }: LayerIndex, used: Uint8Array): number[] {
  const found: number[] = []
  for (let content = 0; content < contentSize.length; content++)
    if (contentSize[content] >= SHARED_BYTES && used[content] === 1) found.push(content)
  return found
}

const hashOf = ({ contentHash }: LayerIndex, content: number): Uint8Array =>
  contentHash.subarray(HASH_BYTES * content, HASH_BYTES * (content + 1))

/** A hidden content whose tail lies in a fragment block that other contents need. */
interface Torn {
  layer: number
  content: number
}

function classifyFragments(indexes: LayerIndex[], used: Uint8Array[]): Uint8Array[] {
  const torn: Torn[] = []
  const fragments = indexes.map((index, layer) => {
    const { contentFragment, fragmentBytes } = index
    const fragment = new Uint8Array(fragmentBytes.length).fill(Fragment.whole)
    const hidden = hiddenContents(used[layer]).filter(content => contentFragment[content] !== NONE)
    const hiddenBytes = new Uint32Array(fragment.length)
    const { blockSize } = index.profile
    for (const content of hidden)
      hiddenBytes[contentFragment[content]] += tailBytes(index, content, blockSize)
    for (const content of hidden) {
      const block = contentFragment[content]
      if (hiddenBytes[block] === fragmentBytes[block]) fragment[block] = Fragment.dead
      else torn.push({ layer, content })
    }
    return fragment
  })
  // The same bytes may be visible through another file.
  const seen = seenElsewhere(torn, indexes, used)
  for (const hidden of torn)
    if (!seen.has(hidden))
      fragments[hidden.layer][indexes[hidden.layer].contentFragment[hidden.content]] = Fragment.partial
  return fragments
}

/**
 * Finds the torn tails whose bytes a file of the image has, too. Few are hidden and many visible, so each visible one
 * costs one look-up.
 */
function seenElsewhere(torn: Torn[], indexes: LayerIndex[], used: Uint8Array[]): Set<Torn> {
  const found = new Set<Torn>()
  if (torn.length === 0) return found
  const byStart = new Map<number, Torn[]>()
  const isStart = new Uint8Array(1 << 16)
  for (const hidden of torn) {
    const start = startOfHash(indexes[hidden.layer].contentHash, hidden.content)
    byStart.set(start, [...(byStart.get(start) ?? []), hidden])
    isStart[start] = 1
  }
  indexes.forEach((index, layer) => {
    for (const content of contentsStarting(index.contentHash, isStart, used[layer]))
      for (const hidden of byStart.get(startOfHash(index.contentHash, content))!)
        if (sameContent(indexes[hidden.layer], hidden.content, index, content)) found.add(hidden)
  })
  return found
}

/** Used contents whose hash begins like one of the marked ones. */
function contentsStarting(hashes: Uint8Array, isStart: Uint8Array, used: Uint8Array): number[] {
  const found: number[] = []
  for (let content = 0; content < used.length; content++)
    if (isStart[startOfHash(hashes, content)] === 1 && used[content] === 1) found.push(content)
  return found
}

/** The first bytes of a SHA-256 are as random as any hash of it. */
const startOfHash = (hashes: Uint8Array, content: number): number =>
  hashes[HASH_BYTES * content] | (hashes[HASH_BYTES * content + 1] << 8)
