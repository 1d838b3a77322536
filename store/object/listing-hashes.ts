/**
 * A hash for each directory of a layer, over everything below it (spec/tree-digest.md#listings). With it, a merge need
 * not read a directory that only one layer has, and most directories are such.
 */
import { createsPath, HASH_BYTES, Kind, type LayerIndex } from './layer-index.ts'
import { type HashedTables, TreeHasher } from './tree-hasher.ts'

export type ListingHashes = Pick<LayerIndex, 'directoryInode' | 'listingHash'>

/** Whiteouts, and directories that hold only whiteouts, are left out: they are not names of the directory. */
export function hashListings(index: HashedTables): ListingHashes {
  const { kind, payload, entryCount, entryInode, entryNameStart, entryNameLength, names } = index
  const directoryInode = Uint32Array.from(directoriesOf(kind))
  const hashes = { directoryInode, listingHash: new Uint8Array(HASH_BYTES * directoryInode.length) }
  const hasher = new TreeHasher()
  // From the last to the first: parents have smaller numbers than what is in them.
  for (let i = directoryInode.length - 1; i >= 0; i--) {
    const first = payload[directoryInode[i]]
    const end = first + entryCount[directoryInode[i]]
    for (let entry = first; entry < end; entry++) {
      const inode = entryInode[entry]
      if (!createsPath(index, inode)) continue
      hasher.name(names, entryNameStart[entry], entryNameLength[entry])
      hasher.inode(index, inode)
      if (kind[inode] === Kind.directory) hasher.bytes(listingHashOf(hashes, inode))
    }
    hashes.listingHash.set(hasher.digest(), HASH_BYTES * i)
  }
  return hashes
}

function directoriesOf(kind: Uint8Array): number[] {
  const found: number[] = []
  for (let inode = 0; inode < kind.length; inode++) if (kind[inode] === Kind.directory) found.push(inode)
  return found
}

/** The hash of a directory: a view of 32 bytes. */
export function listingHashOf({ directoryInode, listingHash }: ListingHashes, inode: number): Uint8Array {
  let low = 0
  for (let high = directoryInode.length; low < high; ) {
    const middle = (low + high) >>> 1
    if (directoryInode[middle] < inode) low = middle + 1
    else high = middle
  }
  return listingHash.subarray(HASH_BYTES * low, HASH_BYTES * (low + 1))
}

/** Takes as long as merging the layer. @throws RangeError if a stored hash is wrong */
export function checkListingHashes(index: LayerIndex): void {
  const { listingHash } = hashListings(index)
  const wrong = listingHash.findIndex((byte, i) => byte !== index.listingHash[i])
  if (wrong < 0) return
  const inode = index.directoryInode[Math.floor(wrong / HASH_BYTES)]
  throw new RangeError(`the hash of directory ${inode} does not match its content`)
}
