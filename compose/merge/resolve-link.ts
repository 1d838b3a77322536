import { Kind, NONE, stringAt } from '../../store/object/index.ts'
import { pathFromBuffer, showPath } from '../../store/values/index.ts'
import { type GrowingTree, ROOT } from './growing-tree.ts'

/** Limit of links to follow, as in Linux (MAXSYMLINKS). */
const MAX_LINKS = 40

export type Resolution = { directory: number } | { fault: string }

/**
 * The directory that a symbolic link leads to inside the tree: an absolute target starts at the tree's root and `..`
 * stops there. The host's file system is never asked.
 * @param directory that holds the link
 * @param link node of the link
 */
export function resolveDirectory(tree: GrowingTree, directory: number, link: number): Resolution {
  const target = targetOf(tree, link)
  const found = walkAlong(tree, target[0] === SLASH ? ROOT : directory, components(target))
  return 'directory' in found
    ? found
    : { fault: `a link to ${showPath(pathFromBuffer(target))}, ${found.fault}` }
}

/** The node of a path from the root. Links are followed in its directories, but not in its last name. */
export function resolveName(tree: GrowingTree, path: Uint8Array): { node: number } | { fault: string } {
  const names = components(path)
  const name = names.pop()!
  const found = walkAlong(tree, ROOT, names)
  if ('fault' in found) return found
  const entry = tree.find(found.directory, name)
  return entry === NONE ? { fault: 'which is not in the tree' } : { node: tree.entryNode[entry] }
}

/** @param names to follow from directory `start` */
function walkAlong(tree: GrowingTree, start: number, names: Uint8Array[]): Resolution {
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
