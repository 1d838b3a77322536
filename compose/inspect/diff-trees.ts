/** Compares two trees: paths that only one has, and paths that differ. Times are ignored unless asked for. */
import { Kind, type LayerIndex } from '../../store/object/index.ts'
import type { PathBytes } from '../../store/values/index.ts'
import { type Difference, differences, type MergedEntry, type MergedTree, walk } from '../merge/index.ts'

export interface PathDifference {
  path: PathBytes
  /** `left`: only the first tree has it. */
  side: 'left' | 'right' | 'both'
  what: (Difference | 'time')[]
}

export interface DiffOptions {
  times?: boolean
}

/** Differences in tree order. */
export function* diffTrees(
  left: MergedTree,
  right: MergedTree,
  { times = false }: DiffOptions = {}
): Generator<PathDifference> {
  const [a, b] = [walk(left), walk(right)]
  let [x, y] = [next(a), next(b)]
  while (x !== undefined || y !== undefined) {
    const order = x === undefined ? 1 : y === undefined ? -1 : compareInTree(x.path, y.path)
    if (order < 0) {
      yield { path: x!.path, side: 'left', what: [] }
      x = next(a)
    } else if (order > 0) {
      yield { path: y!.path, side: 'right', what: [] }
      y = next(b)
    } else {
      const what = differencesOf(left, x!, right, y!, times)
      if (what.length > 0) yield { path: x!.path, side: 'both', what }
      x = next(a)
      y = next(b)
    }
  }
}

const next = (entries: Generator<MergedEntry>): MergedEntry | undefined => {
  const { done, value } = entries.next()
  return done === true ? undefined : value
}

/** Order of a walk: a directory before its content, `a/b` before `a-b`, names by bytes. */
function compareInTree(a: PathBytes, b: PathBytes): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    if (a[i] === b[i]) continue
    if (a[i] === '/') return -1
    if (b[i] === '/') return 1
    return a[i] < b[i] ? -1 : 1
  }
  return a.length - b.length
}

function differencesOf(
  left: MergedTree,
  x: MergedEntry,
  right: MergedTree,
  y: MergedEntry,
  times: boolean
): PathDifference['what'] {
  const located = (tree: MergedTree, { inode }: MergedEntry): { index: LayerIndex; inode: number } => ({
    index: tree.layers[tree.inodeLayer[inode]].index,
    inode: tree.inodeSource[inode]
  })
  const [one, other] = [located(left, x), located(right, y)]
  const what: PathDifference['what'] = differences(one, other)
  // Images hold times in whole seconds.
  if (
    times &&
    x.kind !== Kind.directory &&
    one.index.mtimeSeconds[one.inode] !== other.index.mtimeSeconds[other.inode]
  )
    what.push('time')
  return what
}
