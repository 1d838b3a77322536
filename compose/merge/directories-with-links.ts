import { Kind, type LayerIndex, WHITEOUT } from '../../store/object/index.ts'

/**
 * Finds the directories of a layer with a hard link to a lower layer in them or below them. The hash of such a
 * directory covers only the link's path.
 */
export function directoriesWithLinks(index: LayerIndex): Uint8Array {
  const { kind, payload, entryCount, entryInode } = index
  const holds = new Uint8Array(kind.length)
  // From the last to the first: parents have smaller numbers than what is in them.
  for (let inode = kind.length - 1; inode >= 0; inode--) {
    if (kind[inode] !== Kind.directory) continue
    const end = payload[inode] + entryCount[inode]
    for (let entry = payload[inode]; entry < end && holds[inode] === 0; entry++) {
      const child = entryInode[entry]
      if (child !== WHITEOUT && (kind[child] === Kind.hardlink || holds[child] === 1)) holds[inode] = 1
    }
  }
  return holds
}
