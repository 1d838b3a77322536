import { type Inode, Kind, type LayerIndex, latin1, WHITEOUT } from '../object/index.ts'
import type { PathBytes } from '../values/index.ts'

/** All paths of a tree: a directory comes before what it holds. */
export function* pathsOf(index: LayerIndex): Generator<{ inode: Inode; path: PathBytes }> {
  const { directoryInode, payload, entryCount, entryInode, entryNameStart, entryNameLength, kind } = index
  const directories = new Map<Inode, PathBytes>([[0, '' as PathBytes]])
  yield { inode: 0, path: '' as PathBytes }
  for (const parent of directoryInode) {
    const above = directories.get(parent)!
    for (let entry = payload[parent]; entry < payload[parent] + entryCount[parent]; entry++) {
      const inode = entryInode[entry]
      if (inode === WHITEOUT) continue
      const start = entryNameStart[entry]
      const name = latin1(index.names.subarray(start, start + entryNameLength[entry]))
      const path = (above === '' ? name : `${above}/${name}`) as PathBytes
      if (kind[inode] === Kind.directory) directories.set(inode, path)
      yield { inode, path }
    }
  }
}
