/** `compose build --dry-run`: what a build would make, and whether it may, without a byte of it being written. */

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
  /** What can leave the site, by its name in a sentence; undefined: an image or a sandbox, which stay. */
  leaving?: string
  internal?: boolean
}

export interface BuildPlan {
  lock: Lock
  /** Of the tree, with what is generated. */
  inodes: number
  audience: { text: string; report: AudienceReport }
  keptDirectories: KeptDirectory[]
  overrides: Override[]
  shadowed: CompleteTree['shadowed']
  environmentLosses: CompleteTree['environmentLosses']
}

/** @throws StrataError whatever a build would be refused with, before it writes */
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
