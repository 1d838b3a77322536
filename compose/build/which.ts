import { StrataError } from '../../store/errors.ts'
import { type PathBytes, showPath } from '../../store/path-bytes.ts'
import type { Store } from '../../store/store.ts'
import { findPath } from '../merge/index.ts'
import { openComposition } from './composition.ts'
import type { Target } from './target.ts'

export interface OwnedBy {
  path: string
  module: string
}

/** Which module of a target brought a path. @throws StrataError PATH_MISSING */
export async function whichModule(store: Store, target: Target, path: PathBytes): Promise<OwnedBy> {
  const { onConflict = 'upper' } = target.lock?.parameters ?? {}
  const composition = await openComposition(store, target.modules, store.profile, { onConflict })
  try {
    const found = findPath(composition.tree, path)
    if (found !== undefined)
      return { path: `/${showPath(path)}`, module: composition.tree.layers[found.layer].name }
    throw new StrataError('PATH_MISSING', {
      message: `no module of ${target.name} brings /${showPath(path)}`,
      hint: 'compose list tells which modules there are'
    })
  } finally {
    await composition.close()
  }
}
