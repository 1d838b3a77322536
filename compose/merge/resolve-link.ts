import { Kind, NONE, stringAt } from '../../store/object/index.ts'
import { pathFromBuffer, StrataError, showPath, WorkLimit } from '../../store/values/index.ts'
import { type GrowingTree, ROOT } from './growing-tree.ts'

/** Longer targets lead nowhere on Linux (PATH_MAX, with the NUL behind it). */
const LONGEST_TARGET_BYTES = 4095
/** Names that may be looked up or copied because of links: for any layer, and more for each name of all layers. */
const LINK_STEPS = 1_000_000
const LINK_STEPS_PER_NAME = 64
/** Limit of links to follow, as in Linux (MAXSYMLINKS). */
const MAX_LINKS = 40

export type Resolution = { directory: number } | { fault: string }

/**
 * Limit of steps for the links of one layer. A thousand links can lead through each other, or to one directory of a
 * thousand names, which is merged each time.
 * @param name of the layer's module, for the message
 */
export const linkSteps = (tree: GrowingTree, name: string): WorkLimit =>
  new WorkLimit(
    LINK_STEPS + LINK_STEPS_PER_NAME * tree.mostEntries,
    () =>
      new StrataError('LIMIT_EXCEEDED', {
        message: `${name}: its paths lie behind symbolic links that lead through each other, or to one large directory again and again`,
        facts: { module: name },
        hint: `pack ${name} with the paths that the links lead to`
      })
  )

/**
 * The directory that a symbolic link leads to inside the tree: an absolute target starts at the tree's root and `..`
 * stops there. The host's file system is never asked.
 * @param directory that holds the link
 * @param link node of the link
 * @throws StrataError LIMIT_EXCEEDED when no steps are left
 */
export function resolveDirectory(
  tree: GrowingTree,
  directory: number,
  link: number,
  steps: WorkLimit
): Resolution {
  const target = targetOf(tree, link)
  if (target.length > LONGEST_TARGET_BYTES)
    return { fault: `a link of ${target.length} bytes, which is too long to lead anywhere` }
  steps.spend(1 + target.length / 2)
  const found = walkAlong(tree, target[0] === SLASH ? ROOT : directory, components(target), steps)
  return 'directory' in found
    ? found
    : { fault: `a link to ${showPath(pathFromBuffer(target))}, ${found.fault}` }
}

/**
 * The node of a path from the root. Links are followed in its directories, but not in its last name.
 * @throws StrataError LIMIT_EXCEEDED when no steps are left
 */
export function resolveName(
  tree: GrowingTree,
  path: Uint8Array,
  steps: WorkLimit
): { node: number } | { fault: string } {
  const names = components(path)
  const name = names.pop()!
  const found = walkAlong(tree, ROOT, names, steps)
  if ('fault' in found) return found
  const entry = tree.find(found.directory, name)
  return entry === NONE ? { fault: 'which is not in the tree' } : { node: tree.entryNode[entry] }
}

/** @param names to follow from directory `start` */
function walkAlong(tree: GrowingTree, start: number, names: Uint8Array[], steps: WorkLimit): Resolution {
  let links = 0
  let at = start
  // Components still to resolve, the next one last.
  const ahead = names.reverse()
  for (let name = ahead.pop(); name !== undefined; name = ahead.pop()) {
    if (isDots(name, 2)) at = tree.nodeParent[at]
    if (isDots(name, 1) || isDots(name, 2)) continue
    const entry = tree.find(at, name)
    if (entry === NONE) return { fault: 'which is not in the tree' }
    const node = tree.entryNode[entry]
    if (tree.nodeKind[node] === Kind.symlink) {
      if (++links === MAX_LINKS) return { fault: 'a loop of links' }
      const target = targetOf(tree, node)
      if (target.length > LONGEST_TARGET_BYTES) return { fault: 'a link that is too long to lead anywhere' }
      steps.spend(1 + target.length / 2)
      if (target[0] === SLASH) at = ROOT
      ahead.push(...components(target).reverse())
    } else if (tree.nodeKind[node] === Kind.directory) at = node
    else return { fault: 'which is not a directory' }
  }
  return { directory: at }
}

const SLASH = 0x2f
const DOT = 0x2e

function targetOf(tree: GrowingTree, node: number): Uint8Array {
  const { index } = tree.layers[tree.nodeLayer[node]]
  return stringAt(index, index.payload[tree.nodeInode[node]])
}

function components(target: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = []
  let start = 0
  for (let i = 0; i <= target.length; i++) {
    if (i < target.length && target[i] !== SLASH) continue
    if (i > start) found.push(target.subarray(start, i))
    start = i + 1
  }
  return found
}

const isDots = (name: Uint8Array, count: number) => name.length === count && name.every(byte => byte === DOT)
