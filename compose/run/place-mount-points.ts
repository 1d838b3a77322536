/**
 * Finds or makes the places in a read-only tree at which files of the host are mounted
 * (spec/runtimes.md#mount-points). If the tree lacks a place, the folders on the way to it are rebuilt from the
 * content of the tree and the missing place, so that the tree itself is unchanged. Apptainer calls this underlay.
 */

import { lstatSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolders } from '../../store/disk/index.ts'

/** Absolute path in the tree, without links on the way. */
export interface MountPoint {
  path: string
  isFile: boolean
  /** True if the tree has it. */
  isThere: boolean
}

/** The parts from which the tree is rebuilt, each after its folder. */
export type TreePart =
  | { kind: 'directory' | 'file'; path: string }
  /** A file or folder of the tree, with all below it. */
  | { kind: 'bind'; path: string; source: string }
  | { kind: 'link'; path: string; target: string }

/** Linux follows as many (path_resolution(7)). */
const MOST_LINKS = 40

/**
 * The place that a path of the tree leads to. Links are followed inside the tree. Undefined behind a file, and in a
 * circle of links.
 */
export function mountPointAt(root: string, path: string, isFile: boolean): MountPoint | undefined {
  const ahead = namesOf(path)
  const at: string[] = []
  let links = 0
  for (let name = ahead.shift(); name !== undefined; name = ahead.shift()) {
    if (name === '..') {
      at.pop()
      continue
    }
    const status = lstatSync(join(root, ...at, name), { throwIfNoEntry: false })
    if (status?.isSymbolicLink()) {
      if (++links > MOST_LINKS) return undefined
      const target = readlinkSync(join(root, ...at, name))
      if (target.startsWith('/')) at.length = 0
      ahead.unshift(...namesOf(target))
      continue
    }
    at.push(name)
    if (status === undefined) return { path: `/${[...at, ...ahead].join('/')}`, isFile, isThere: false }
    if (ahead.length > 0 && !status.isDirectory()) return undefined
  }
  const isDirectory = lstatSync(join(root, ...at)).isDirectory()
  return isDirectory === isFile ? undefined : { path: `/${at.join('/')}`, isFile, isThere: true }
}

const namesOf = (path: string): string[] => path.split('/').filter(name => name !== '' && name !== '.')

interface Node {
  point?: MountPoint
  children: Map<string, Node>
}

/**
 * Rebuilds the tree with all these places.
 * @param first of the points: those that are mounted before the parts, and must not be covered by one of them
 */
export function partsOfTree(root: string, points: MountPoint[], first: MountPoint[] = []): TreePart[] {
  const top: Node = { children: new Map() }
  for (const point of [...points, ...first]) {
    let node = top
    for (const name of namesOf(point.path)) {
      const child: Node = node.children.get(name) ?? { children: new Map() }
      node.children.set(name, child)
      node = child
    }
    node.point = point
  }
  const isTakenApart = ({ point, children }: Node): boolean =>
    (point !== undefined && (!point.isThere || first.includes(point))) ||
    [...children.values()].some(isTakenApart)
  const parts: TreePart[] = []
  const visit = (path: string, node: Node) => {
    const there = new Set(namesIn(join(root, path)))
    for (const name of new Set([...there, ...node.children.keys()])) {
      const child = node.children.get(name)
      const place = `${path}/${name}`
      if (child?.point !== undefined)
        parts.push({ kind: child.point.isFile ? 'file' : 'directory', path: place })
      else if (child !== undefined && isTakenApart(child)) {
        parts.push({ kind: 'directory', path: place })
        visit(place, child)
      } else parts.push(partOf(join(root, place), place))
    }
  }
  visit('', top)
  return parts
}

function partOf(source: string, path: string): TreePart {
  return lstatSync(source).isSymbolicLink()
    ? { kind: 'link', path, target: readlinkSync(source) }
    : { kind: 'bind', path, source }
}

/** Names that are not UTF-8 cannot be put on a command line, so they are left out. */
function namesIn(folder: string): string[] {
  if (lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return []
  return readdirSync(folder).filter(name => !name.includes('\ufffd'))
}

/** Makes a place in a tree that belongs to us. @throws an error of node:fs */
export function makeMountPoint(root: string, { path, isFile, isThere }: MountPoint): void {
  if (isThere) return
  const names = namesOf(path)
  makeFolders(join(root, ...(isFile ? names.slice(0, -1) : names)))
  if (isFile) writeFileSync(join(root, ...names), '', { flag: 'wx' })
}
