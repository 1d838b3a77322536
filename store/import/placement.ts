/** Places the entries of an archive in a layer: --strip, then --prefix, and --owner (spec/module.md). */

import type { LayerManifest } from '../module/index.ts'
import type { Inode, LayerTree } from '../object/index.ts'
import type { TarEntry } from '../tar/index.ts'
import { type PathBytes, StrataError, showPath } from '../values/index.ts'

export interface Placement {
  /** Leading components removed from each path. */
  strip: number
  /** Canonical path put before each path, '' for none. */
  prefix: PathBytes
  /** Replaces every entry's own owner. */
  owner?: { uid: number; gid: number }
}

export const AS_IT_IS: Placement = { strip: 0, prefix: '' }

/** The placement of a stored layer. */
export const placementOf = ({ strip = 0, prefix = '', owner }: LayerManifest): Placement => ({
  strip,
  prefix,
  owner
})

/**
 * Finds the inode of an entry by its path in the archive.
 * @param leftOut paths of entries that are not part of the tree; another entry may have been placed there
 */
export const inodeFinder =
  (tree: LayerTree, placement: Placement, leftOut: ReadonlySet<PathBytes> = new Set()) =>
  (path: PathBytes): Inode | undefined => {
    const placed = leftOut.has(path) ? undefined : placePath(path, placement)
    return placed === undefined ? undefined : tree.find(placed)
  }

/** A path after stripping and prefixing; undefined if stripping removes all of it. */
export function placePath(path: PathBytes, { strip, prefix }: Placement): PathBytes | undefined {
  const components = path === '' ? [] : path.split('/')
  if (components.length < strip) return undefined
  const rest = strip === 0 ? path : components.slice(strip).join('/')
  return rest === '' ? prefix : prefix === '' ? rest : `${prefix}/${rest}`
}

/**
 * A placed entry; undefined if it is left out: one above the stripped components, or one that would become the top but
 * is not a directory.
 * @throws StrataError TAR_INVALID for a hard link to an entry that is left out
 */
export function placeEntry(entry: TarEntry, placement: Placement, archive: string): TarEntry | undefined {
  if (placement.strip === 0 && placement.prefix === '' && placement.owner === undefined) return entry
  const path = placePath(entry.path, placement)
  if (path === undefined || (path === placement.prefix && entry.kind !== 'directory')) return undefined
  const placed = { ...entry, path, ...placement.owner }
  if (entry.kind !== 'hardlink') return placed
  const linkTarget = placePath(entry.linkTarget, placement)
  if (linkTarget === undefined || linkTarget === placement.prefix)
    throw new StrataError('TAR_INVALID', {
      message: `${archive}: member ${showPath(entry.path)} is a hard link to ${showPath(entry.linkTarget)}, which --strip ${placement.strip} leaves out`,
      hint: `--strip ${placement.strip - 1}`
    })
  return { ...placed, linkTarget }
}
