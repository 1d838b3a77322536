/**
 * Finds files that give their users rights that they did not have. A base may hold them, other modules only if asked
 * to.
 */

import { CAPABILITY_ATTRIBUTE } from '../acl/index.ts'
import {
  type Inode,
  Kind,
  type LayerIndex,
  type LayerTree,
  latin1,
  type Marks,
  stringAt,
  WHITEOUT
} from '../object/index.ts'
import type { PathBytes } from '../values/index.ts'
import { pathsOf } from './index-paths.ts'

export interface PrivilegedPath {
  path: PathBytes
  why: string
}

type Privilege = 'device' | 'setuid' | 'setgid' | typeof CAPABILITY_ATTRIBUTE

/** All privileges that a path gives, whoever owns it. */
export function privilegesOf(
  kind: number,
  mode: number,
  attributes: Pick<ReadonlySet<string>, 'has'> | undefined
): Privilege[] {
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
        const why = reasonFor({
          ...{ kind: tree.kind.get(inode), mode: tree.mode.get(inode) },
          ...{ uid: tree.uid.get(inode), gid: tree.gid.get(inode) },
          attributes: marks.get(inode)?.attributes
        })
        if (why !== undefined) found.push({ path: child, why })
      }
    }
  }
  return found.sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** The same for a layer whose tree is a file. */
export function privilegedInIndex(index: LayerIndex): PrivilegedPath[] {
  const { kind, mode, uid, gid } = index
  return [...pathsOf(index)].flatMap(({ inode, path }) => {
    if (kind[inode] === Kind.directory) return []
    const owned = { kind: kind[inode], mode: mode[inode], uid: uid[inode], gid: gid[inode] }
    const why = reasonFor({ ...owned, attributes: attributeNames(index, inode) })
    return why === undefined ? [] : [{ path, why }]
  })
}

function attributeNames(index: LayerIndex, inode: Inode): Set<string> | undefined {
  const set = index.attributes[inode]
  if (set === 0) return undefined
  const { attributeSetStart: start, attributeName } = index
  const names = attributeName.subarray(start[set - 1], start[set])
  return new Set([...names].map(name => latin1(stringAt(index, name))))
}

interface Owned {
  kind: number
  mode: number
  uid: number
  gid: number
  attributes: Pick<ReadonlySet<string>, 'has'> | undefined
}

/** The first privilege that counts; set-id bits count if they make somebody root. */
function reasonFor({ kind, mode, uid, gid, attributes }: Owned): string | undefined {
  for (const privilege of privilegesOf(kind, mode, attributes)) {
    if (privilege === 'device') return kind === Kind.block ? 'block device' : 'character device'
    if (privilege === CAPABILITY_ATTRIBUTE) return privilege
    if ((privilege === 'setuid' ? uid : gid) === 0) return `${privilege} root`
  }
}
