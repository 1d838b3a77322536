import { Kind, type LayerIndex, WHITEOUT } from '../../store/object/index.ts'

/** For each directory of a layer, whether a hard link to a lower layer lies in it or below it: its hash knows only the path. */
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
