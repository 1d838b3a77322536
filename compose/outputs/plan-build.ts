/** `compose build --dry-run`: reports what a build would make, and its errors, without writing anything. */

import { refuseNotRedistributable } from '../../store/access/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { type AudienceReport, audienceReport } from '../audience/index.ts'
import { type KeptDirectory, type Override, pathsWithAcl } from '../merge/index.ts'
import type { Lock } from '../stack/index.ts'
import type { PrepareOptions } from './image-options.ts'
import { prepareImage } from './prepare-image.ts'
import type { Target } from './resolve-target.ts'
import { type CompleteTree, withGenerated } from './with-generated.ts'

export interface PlanOptions extends PrepareOptions {
  /** Name of an output that can leave the site, for a sentence; undefined for an image or a sandbox, which stay. */
  leaving?: string
  internal?: boolean
}

export interface BuildPlan {
  lock: Lock
  /** Inodes of the tree, with generated files. */
  inodes: number
  audience: { text: string; report: AudienceReport }
  keptDirectories: KeptDirectory[]
  overrides: Override[]
  shadowed: CompleteTree['shadowed']
  environmentLosses: CompleteTree['environmentLosses']
}

/** @throws StrataError for every reason for which a build would be refused before it writes */
export async function planBuild(store: Repository, target: Target, options: PlanOptions): Promise<BuildPlan> {
  const { composition, audience, audienceText, licensed, lock } = await prepareImage(store, target, options)
  try {
    if (options.leaving !== undefined) refuseNotRedistributable(licensed, options.leaving, options)
    const { tree } = composition
    const { aclModes } = lock.parameters
    const complete = await withGenerated(composition, lock)
    return {
      lock,
      inodes: complete.tree.inodeKind.length,
      audience: { text: audienceText, report: audienceReport(audience, pathsWithAcl(tree), { aclModes }) },
      keptDirectories: tree.keptDirectories,
      overrides: tree.overrides,
      shadowed: complete.shadowed,
      environmentLosses: complete.environmentLosses
    }
  } finally {
    await composition.close()
  }
}
