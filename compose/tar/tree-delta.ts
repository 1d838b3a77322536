/**
 * Computes the members that turn one tree into another by OCI's rules (spec/outputs.md#layers). A merge follows other
 * rules than a reader of OCI layers: directories keep their attributes, paths go through links, and of equal files
 * the lower module's stays. So a layer is not written as it was imported, but as the difference that it made.
 */
import { Kind } from '../../store/object/index.ts'
import type { PathBytes } from '../../store/values/index.ts'
import { entryName, type MergedTree } from '../merge/index.ts'

export interface DeltaMember {
  path: PathBytes
  /** Inode of the upper tree; undefined if only the lower tree has the path. */
  inode?: number
}

/** An open directory of the upper tree, and the same directory of the lower tree if it exists. */
interface Level {
  prefix: PathBytes
  inode: number
  next: number
  end: number
  /** Entries in the lower tree; both are equal if it has no such directory. */
  nextBelow: number
  endBelow: number
  /** Path of the directory until it is yielded. */
  pending?: PathBytes
}

/**
 * Yields members depth first, siblings in byte order. A directory with a change inside is yielded even if it is
 * unchanged, because a reader that keeps layers apart would otherwise make one with its own attributes.
 * @param below made of the lowest layers of `above`; undefined if there is no lower tree
 */
export function* treeDelta(below: MergedTree | undefined, above: MergedTree): Generator<DeltaMember> {
  const renamed = findNamedAgain(below, above)
  const isUntouched = untouchedTest(below, above, renamed)
  const isRootSame = below !== undefined && sameSource(below, 0, above, 0)
  const open = [enter(below, below && 0, above, 0, '', isRootSame ? '' : undefined)]
  if (!isRootSame) yield { path: '', inode: 0 }
  for (let at = open.at(-1); at !== undefined; at = open.at(-1)) {
    const order = compareNext(below, above, at)
    if (order === undefined) {
      open.pop()
      continue
    }
    if (order < 0) {
      const path = at.prefix + nameOf(below!, at.nextBelow++)
      yield* pendingDirectories(open)
      yield { path }
      continue
    }
    const entry = at.next++
    const inode = above.entryInode[entry]
    const isDirectory = above.inodeKind[inode] === Kind.directory
    const other = order === 0 ? below!.entryInode[at.nextBelow++] : undefined
    const isSame = other !== undefined && sameSource(below!, other, above, inode)
    // Most files are the same, so no string is made of their names.
    if (isSame && !isDirectory && !renamed?.has(inode)) continue
    if (isSame && isDirectory && isUntouched(other, inode)) continue
    const path = at.prefix + nameOf(above, entry)
    if (!isSame || !isDirectory) {
      yield* pendingDirectories(open)
      yield { path, inode }
    }
    if (!isDirectory) continue
    const directoryBelow =
      other !== undefined && below!.inodeKind[other] === Kind.directory ? other : undefined
    open.push(enter(below, directoryBelow, above, inode, `${path}/`, isSame ? path : undefined))
  }
}

/**
 * Files of the lower tree that have more names in the upper one. All their names are yielded, because a reader that
 * keeps layers apart, as overlayfs does, can only link to files of the same layer.
 */
function findNamedAgain(below: MergedTree | undefined, above: MergedTree): Set<number> | undefined {
  const lowest = below?.layers.length ?? 0
  const sources = new Set<string>()
  for (const [layer, links] of above.lowerLinks)
    for (const lower of links.values())
      if (layer >= lowest && lower.layer < lowest) sources.add(`${lower.layer} ${lower.inode}`)
  if (sources.size === 0) return undefined
  const found = new Set<number>()
  for (let inode = 0; inode < above.inodeKind.length; inode++)
    if (sources.has(`${above.inodeLayer[inode]} ${above.inodeSource[inode]}`)) found.add(inode)
  return found
}

/** For each directory of a tree: 1 if one of these inodes has a name in it, or below it. */
function directoriesOf(tree: MergedTree, inodes: ReadonlySet<number>): Uint8Array {
  const { directories, directoryFirst, directoryCount, directoryParent, entryInode } = tree
  const holds = new Uint8Array(tree.inodeKind.length)
  for (const directory of directories) {
    const first = directoryFirst[directory]
    const names = entryInode.subarray(first, first + directoryCount[directory])
    if (!names.some(inode => inodes.has(inode))) continue
    for (let at = directory; holds[at] === 0; at = directoryParent[at]) holds[at] = 1
  }
  return holds
}

/** Directories of one source that are the same in both trees, with all below them. */
function untouchedTest(
  below: MergedTree | undefined,
  above: MergedTree,
  renamed: ReadonlySet<number> | undefined
): (inodeBelow: number, inode: number) => boolean {
  const { addition, directoryParent } = above
  if (addition !== undefined && addition.base === below) {
    const isTouched = new Uint8Array(above.inodeKind.length)
    for (const directory of addition.directories)
      for (let at = directory; isTouched[at] === 0; at = directoryParent[at]) isTouched[at] = 1
    return (_, inode) => isTouched[inode] === 0
  }
  const holds = renamed && directoriesOf(above, renamed)
  return (inodeBelow, inode) =>
    below!.directoryIsWhole[inodeBelow] === 1 && above.directoryIsWhole[inode] === 1 && holds?.[inode] !== 1
}

function enter(
  below: MergedTree | undefined,
  inodeBelow: number | undefined,
  above: MergedTree,
  inode: number,
  prefix: PathBytes,
  pending: PathBytes | undefined
): Level {
  const next = above.directoryFirst[inode]
  const nextBelow = inodeBelow === undefined ? 0 : below!.directoryFirst[inodeBelow]
  const endBelow = inodeBelow === undefined ? 0 : nextBelow + below!.directoryCount[inodeBelow]
  return { prefix, inode, next, end: next + above.directoryCount[inode], nextBelow, endBelow, pending }
}

/** Compares the next names: below 0 if the lower tree's comes first, undefined at the end of both. */
function compareNext(
  below: MergedTree | undefined,
  above: MergedTree,
  { next, end, nextBelow, endBelow }: Level
): number | undefined {
  if (next === end) return nextBelow === endBelow ? undefined : -1
  if (nextBelow === endBelow) return 1
  // Names from the same layer in both trees are equal if they are the same bytes of its name pool.
  const isSameName =
    below!.entryLayer[nextBelow] === above.entryLayer[next] &&
    below!.entryNameStart[nextBelow] === above.entryNameStart[next]
  if (isSameName) return 0
  return Buffer.compare(entryName(below!, nextBelow), entryName(above, next))
}

function* pendingDirectories(open: Level[]): Generator<DeltaMember> {
  for (const level of open) {
    if (level.pending === undefined) continue
    yield { path: level.pending, inode: level.inode }
    level.pending = undefined
  }
}

const nameOf = (tree: MergedTree, entry: number): PathBytes =>
  Buffer.from(entryName(tree, entry)).toString('latin1')

const sameSource = (below: MergedTree, inodeBelow: number, above: MergedTree, inode: number): boolean =>
  below.inodeLayer[inodeBelow] === above.inodeLayer[inode] &&
  below.inodeSource[inodeBelow] === above.inodeSource[inode]
