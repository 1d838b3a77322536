/**
 * Finds paths in the tree index of one layer without unfolding the tree. Names stand one after another in one column,
 * so searching a name means searching its bytes.
 */
import { FLAG_IMPLICIT, FLAG_OPAQUE, Kind, latin1, type TreeTables, WHITEOUT } from '../object/index.ts'
import { type PathBytes, pathToBuffer } from '../values/index.ts'

export type TreeNames = Pick<
  TreeTables,
  'kind' | 'flags' | 'payload' | 'entryCount' | 'entryNameStart' | 'entryNameLength' | 'entryInode' | 'names'
>

export type PathKind = keyof typeof Kind

/** The search of a user: a whole path, or the end of one. */
export interface WantedPath {
  /** Without `/` at its ends; not empty. */
  path: PathBytes
  /** True if paths that end so, after a `/`, match too. */
  orEndsSo: boolean
}

export interface FoundPath {
  /** Relative to the root of the tree. */
  path: PathBytes
  kind: PathKind
}

const KIND_NAME = new Map(Object.entries(Kind).map(([name, number]) => [number as number, name as PathKind]))

/** Last component of a path. */
export const baseName = (path: PathBytes): PathBytes => path.slice(path.lastIndexOf('/') + 1)

/**
 * Paths that the layer has, in the order of its index, without whiteouts and without directories that no entry of the
 * archive names.
 */
export function findPaths(tree: TreeNames, { path, orEndsSo }: WantedPath): FoundPath[] {
  const found: FoundPath[] = []
  let parents: Parents | undefined
  for (const entry of entriesNamed(tree, pathToBuffer(baseName(path)))) {
    const inode = tree.entryInode[entry]
    if (isNoPath(tree, inode)) continue
    parents ??= new Parents(tree)
    const full = parents.pathOf(entry)
    if (full === path || (orEndsSo && full.endsWith(`/${path}`)))
      found.push({ path: full, kind: KIND_NAME.get(tree.kind[inode])! })
  }
  return found
}

/** Names under which {@link findPaths} finds something, each once. */
export function pathNames(tree: TreeNames): Set<PathBytes> {
  const names = new Set<PathBytes>()
  for (let entry = 0; entry < tree.entryInode.length; entry++)
    if (!isNoPath(tree, tree.entryInode[entry])) names.add(nameOf(tree, entry))
  return names
}

const isNoPath = ({ flags }: TreeNames, inode: number): boolean =>
  inode === WHITEOUT || (flags[inode] & FLAG_IMPLICIT) !== 0

const nameOf = ({ names, entryNameStart, entryNameLength }: TreeNames, entry: number): PathBytes =>
  latin1(names.subarray(entryNameStart[entry], entryNameStart[entry] + entryNameLength[entry]))

function* entriesNamed(tree: TreeNames, name: Buffer): Generator<number> {
  const { entryNameStart, entryNameLength } = tree
  const names = Buffer.from(tree.names.buffer, tree.names.byteOffset, tree.names.byteLength)
  for (let at = names.indexOf(name); at >= 0; at = names.indexOf(name, at + 1)) {
    const entry = lastAtMost(entryNameStart, at)
    // A match elsewhere is only part of a name, or runs from one into the next.
    if (entryNameStart[entry] === at && entryNameLength[entry] === name.length) yield entry
  }
}

/** Last index of an ascending column whose value is at most `value`; -1 if there is none. */
function lastAtMost(column: ArrayLike<number>, value: number): number {
  let low = 0
  let high = column.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (column[middle] <= value) low = middle + 1
    else high = middle
  }
  return low - 1
}

/** Leads from an entry up to the root. */
class Parents {
  readonly #tree: TreeNames
  /** Directories that have entries, by their first entry. */
  readonly #directories: number[] = []
  readonly #firstEntries: number[] = []
  /** The entry that names each directory. */
  readonly #entryOf = new Map<number, number>()

  constructor(tree: TreeNames) {
    this.#tree = tree
    for (let inode = 0; inode < tree.kind.length; inode++) {
      if (tree.kind[inode] !== Kind.directory || tree.entryCount[inode] === 0) continue
      this.#directories.push(inode)
      this.#firstEntries.push(tree.payload[inode])
    }
    for (let entry = 0; entry < tree.entryInode.length; entry++) {
      const inode = tree.entryInode[entry]
      if (inode !== WHITEOUT && tree.kind[inode] === Kind.directory) this.#entryOf.set(inode, entry)
    }
  }

  pathOf(entry: number): PathBytes {
    const names: PathBytes[] = []
    for (let at: number | undefined = entry; at !== undefined; ) {
      names.push(nameOf(this.#tree, at))
      at = this.#entryOf.get(this.#directories[lastAtMost(this.#firstEntries, at)])
    }
    return names.reverse().join('/')
  }
}

/**
 * True if this layer hides a path of a lower layer of the same module: by a whiteout, an opaque directory above it,
 * something above it that is not a directory, or the same path.
 */
export function hidesPath(tree: TreeNames, path: PathBytes): boolean {
  let directory = 0
  const names = path.split('/')
  for (const [depth, name] of names.entries()) {
    if ((tree.flags[directory] & FLAG_OPAQUE) !== 0) return true
    const inode = childOf(tree, directory, name)
    if (inode === undefined) return false
    if (inode === WHITEOUT || tree.kind[inode] !== Kind.directory) return true
    if (depth === names.length - 1) return !isNoPath(tree, inode)
    directory = inode
  }
  return false
}

/** Searches a listing by halving, since listings are in byte order. */
function childOf(tree: TreeNames, directory: number, name: PathBytes): number | undefined {
  let low = tree.payload[directory]
  const end = low + tree.entryCount[directory]
  let high = end
  while (low < high) {
    const middle = (low + high) >>> 1
    if (nameOf(tree, middle) < name) low = middle + 1
    else high = middle
  }
  return low < end && nameOf(tree, low) === name ? tree.entryInode[low] : undefined
}
