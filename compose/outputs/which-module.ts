/** Finds the module that a path comes from, in a target, or in an image from its own records. */

import type { Repository } from '../../store/repository/index.ts'
import { type PathBytes, StrataError, showPath } from '../../store/values/index.ts'
import { openImage, ownerInImage } from '../inspect/index.ts'
import { findPath } from '../merge/index.ts'
import { openComposition } from './composition.ts'
import type { Target } from './resolve-target.ts'
import { resolveInTree } from './tree-file.ts'

export interface OwnedBy {
  path: string
  module: string
}

/** Links on the way are followed, but not one at the end. @throws StrataError PATH_MISSING */
export async function whichModule(store: Repository, target: Target, path: PathBytes): Promise<OwnedBy> {
  const {
    onConflict = 'upper' as const,
    directories,
    profile = store.profile
  } = target.lock?.parameters ?? {}
  const composition = await openComposition(store, target.modules, profile, { onConflict, directories })
  try {
    const { tree } = composition
    const resolved = resolveInTree(tree, path, { followLast: false })
    const found = resolved === undefined ? undefined : findPath(tree, resolved)
    if (found !== undefined)
      return { path: `/${showPath(found.path)}`, module: tree.layers[found.layer].name }
    throw new StrataError('PATH_MISSING', {
      message: `no module of ${target.name} brings /${showPath(path)}`,
      hint: 'compose list (lists the modules)'
    })
  } finally {
    await composition.close()
  }
}

/** Files that `compose` itself puts into an image have no module. */
const NO_MODULE = 'compose'

/** Reads only the image file. @throws StrataError IMAGE_INVALID, PATH_MISSING */
export async function whichInImage(file: string, path: PathBytes): Promise<OwnedBy> {
  const image = await openImage(file)
  try {
    const owner = ownerInImage(image, path)
    const module =
      owner === undefined ? NO_MODULE : (owner.name ?? `layers of entry ${owner.module} of its lock`)
    return { path: `/${showPath(path)}`, module }
  } finally {
    await image.close()
  }
}
