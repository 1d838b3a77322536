/**
 * Finds files that give their users rights that they did not have. A base may hold them, other modules only if asked
 * to.
 */

import { CAPABILITY_ATTRIBUTE } from '../acl/index.ts'
import { type Inode, Kind, type LayerTree, type Marks, WHITEOUT } from '../object/index.ts'
import type { PathBytes } from '../values/index.ts'

export interface PrivilegedPath {
  path: PathBytes
  why: string
}

type Privilege = 'device' | 'setuid' | 'setgid' | typeof CAPABILITY_ATTRIBUTE

/** All privileges that a path gives, whoever owns it. */
export function privilegesOf(kind: number, mode: number, attributes: Marks['attributes']): Privilege[] {
  const isFile = kind === Kind.file
  const found: Privilege[] = []
  if (kind === Kind.block || kind === Kind.character) found.push('device')
  if (isFile && mode & 0o4000) found.push('setuid')
  if (isFile && mode & 0o2000) found.push('setgid')
  if (attributes?.has(CAPABILITY_ATTRIBUTE)) found.push(CAPABILITY_ATTRIBUTE)
  return found
}

/** Paths in tree order. A hard link is listed under each of its names. */
export function privilegedPaths(tree: LayerTree, marks: ReadonlyMap<Inode, Marks>): PrivilegedPath[] {
  const found: PrivilegedPath[] = []
  const pending: [Inode, PathBytes][] = [[0, '']]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const [directory, path] = next
    for (const [name, inode] of tree.listings.get(directory)!) {
      if (inode === WHITEOUT) continue
      const child = path === '' ? name : `${path}/${name}`
      if (tree.kind.get(inode) === Kind.directory) pending.push([inode, child])
      else {
        const why = reasonFor(tree, inode, marks.get(inode))
        if (why !== undefined) found.push({ path: child, why })
      }
    }
  }
  return found.sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** The first privilege that counts; set-id bits count if they make somebody root. */
function reasonFor(tree: LayerTree, inode: Inode, mark: Marks | undefined): string | undefined {
  const kind = tree.kind.get(inode)
  for (const privilege of privilegesOf(kind, tree.mode.get(inode), mark?.attributes)) {
    if (privilege === 'device') return kind === Kind.block ? 'block device' : 'character device'
    if (privilege === CAPABILITY_ATTRIBUTE) return privilege
    const owner = privilege === 'setuid' ? tree.uid : tree.gid
    if (owner.get(inode) === 0) return `${privilege} root`
  }
}
