/** Prepares a root in which every mount has its place, in the way that each runtime allows. */
import { lstatSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeFolders, makeOwnFolder } from '../../store/disk/index.ts'
import { StrataError } from '../../store/values/index.ts'
import {
  type MountPoint,
  makeMountPoint,
  mountPointAt,
  partsOfTree,
  type TreePart
} from './place-mount-points.ts'
import type { Bind, Runtime } from './runtime.ts'
import { isBelow } from './usual-binds.ts'

export interface PreparedMounts {
  /** The directory that the runtime has to start instead. */
  path: string
  /** The parts that the runtime has to put together, if it can. */
  parts?: TreePart[]
  /** Mounts of the tree, then of the host, in the order of mounting. */
  binds: Bind[]
  /** Mounts that were left out, and why. */
  notes: string[]
  release(): void
}

export interface TreeToMountIn {
  /** A directory. */
  path: string
  /** `mounted`: a read-only file system; `kept`: unpacked in the cache; `given`: the user's own directory. */
  origin: 'mounted' | 'kept' | 'given'
}

/** @throws StrataError USAGE for a bind that the user asked for and that has no place */
export function prepareMounts(
  runtime: Runtime,
  tree: TreeToMountIn,
  asked: Bind[],
  usual: Bind[]
): PreparedMounts {
  const notes: string[] = []
  const placed: { bind: Bind; point: MountPoint }[] = []
  const makesPlaces = tree.origin !== 'given' || canMakePlaces(runtime, tree.path)
  for (const bind of [...usual, ...asked]) {
    const point = placeOf(tree.path, bind, placed)
    const fault =
      point === undefined ? 'has no place in the tree' : unusable(point, bind, runtime, makesPlaces)
    if (fault === undefined && point !== undefined)
      placed.push({ bind: { ...bind, target: point.path }, point })
    else if (asked.includes(bind))
      throw new StrataError('USAGE', {
        message: `${bind.source} cannot be mounted at ${bind.target}: ${runtime.name}: ${fault}`,
        hint: 'use --runtime bwrap, or mount at /mnt/0 to /mnt/9, which images have'
      })
    else notes.push(`${bind.source} is not mounted: it ${fault} (${runtime.name})`)
  }
  const binds = placed.map(({ bind }) => bind)
  const own = pointsOf(tree.path, runtime.ownPoints)
  const points = [...own, ...placed.map(({ point }) => point)]
  const plain: PreparedMounts = { path: tree.path, binds, notes, release: () => {} }
  if (points.every(({ isThere }) => isThere)) return plain
  if (runtime.makesPlaces === 'parts') return { ...plain, parts: partsOfTree(tree.path, points) }
  if (tree.origin === 'kept') {
    for (const point of points) makeMountPoint(tree.path, point)
    return plain
  }
  if (runtime.makesPlaces === 'overlay') return { ...plain, path: `${tree.path}:O` }
  return runtime.makesPlaces === 'skeleton' && tree.origin === 'mounted'
    ? skeletonOf(plain, partsOfTree(tree.path, points, own))
    : plain
}

/** ch-run would leave the user's own folders writable, and podman's overlay accepts none of another owner. */
const canMakePlaces = ({ makesPlaces }: Runtime, path: string): boolean =>
  makesPlaces === 'parts' || (makesPlaces === 'overlay' && lstatSync(path).uid === process.getuid?.())

function placeOf(
  root: string,
  { source, target }: Bind,
  placed: { bind: Bind; point: MountPoint }[]
): MountPoint | undefined {
  const isFile = !statSync(source).isDirectory()
  const point = mountPointAt(root, target, isFile)
  const outer = point && placed.findLast(({ point: other }) => isBelow(point.path, other.path))
  if (point === undefined || outer === undefined) return point
  // An earlier mount decides what is there.
  const inner = join(outer.bind.source, point.path.slice(outer.point.path.length))
  const status = statSync(inner, { throwIfNoEntry: false })
  return status !== undefined && status.isDirectory() !== isFile ? { ...point, isThere: true } : undefined
}

function unusable(
  { isThere }: MountPoint,
  bind: Bind,
  runtime: Runtime,
  makesPlaces: boolean
): string | undefined {
  if (!isThere && !makesPlaces) return 'has no place in this directory, and none can be made'
  return runtime.unableTo?.(bind)
}

const pointsOf = (root: string, own: Runtime['ownPoints']): MountPoint[] =>
  own.flatMap(({ path, isFile }) => mountPointAt(root, path, isFile) ?? [])

/** Empty folders and files, at which the runtime mounts the parts in a namespace that ends with it. */
function skeletonOf(plain: PreparedMounts, parts: TreePart[]): PreparedMounts {
  const { path, remove: release } = makeOwnFolder(tmpdir(), 'strata-run-')
  try {
    for (const part of parts) {
      const place = join(path, part.path)
      if (part.kind === 'link') symlinkSync(part.target, place)
      else if (part.kind === 'file' || (part.kind === 'bind' && !lstatSync(part.source).isDirectory()))
        writeFileSync(place, '')
      else makeFolders(place)
    }
  } catch (error) {
    release()
    throw error
  }
  const ofTree = parts.flatMap(part =>
    part.kind === 'bind' ? [{ source: part.source, target: part.path, isReadOnly: false }] : []
  )
  return { ...plain, path, binds: [...ofTree, ...plain.binds], release }
}
