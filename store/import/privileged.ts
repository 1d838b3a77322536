/** What gives its user rights that the user did not have: kept in a base, elsewhere only when asked to. */
import type { Marks } from '../object/index-builder.ts'
import { Kind, WHITEOUT } from '../object/layer-index.ts'
import type { Inode, LayerTree } from '../object/layer-tree.ts'
import type { PathBytes } from '../path-bytes.ts'

export interface PrivilegedPath {
  path: PathBytes
  why: string
}

const CAPABILITY = 'security.capability'

/** In tree order. A hard link is listed under each of its names. */
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
        const why = privilegeOf(tree, inode, marks.get(inode))
        if (why !== undefined) found.push({ path: child, why })
      }
    }
  }
  return found.sort((a, b) => (a.path < b.path ? -1 : 1))
}

function privilegeOf(tree: LayerTree, inode: Inode, mark: Marks | undefined): string | undefined {
  const kind = tree.kind.get(inode)
  if (kind === Kind.block) return 'block device'
  if (kind === Kind.character) return 'character device'
  if (kind === Kind.file) {
    const mode = tree.mode.get(inode)
    if (mode & 0o4000 && tree.uid.get(inode) === 0) return 'setuid root'
    if (mode & 0o2000 && tree.gid.get(inode) === 0) return 'setgid root'
  }
  return mark?.attributes?.has(CAPABILITY) ? CAPABILITY : undefined
}
