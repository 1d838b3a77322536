/** `compose build --sandbox`: writes a target to a directory that records the layers it was made from. */

import type { Repository } from '../../store/repository/index.ts'
import type { KeptDirectory, Override } from '../merge/index.ts'
import { type SandboxReport, writeSandbox } from '../sandbox/index.ts'
import { formatLock, type Lock } from '../stack/index.ts'
import type { ImageOptions } from './image-options.ts'
import { prepareImage } from './prepare-image.ts'
import type { Target } from './resolve-target.ts'
import { summed } from './summed.ts'
import { withGenerated } from './with-generated.ts'

export interface BuildSandboxOptions extends ImageOptions {
  directory: string
  verify: boolean
  recordOnly: boolean
  /** For commands that are to be captured: as they see it, and not as users do. */
  forCapture?: boolean
  onProgress?: (bytesSoFar: number) => void
}

export interface BuiltSandbox extends SandboxReport {
  directory: string
  lock: Lock
  keptDirectories?: KeptDirectory[]
  /** Paths where a flag or record let the upper module win. */
  overrides?: Override[]
  /** Tree digest with times in whole seconds as an image has them, if it differs from that of the lock. */
  treeDigest?: string
}

/** @throws StrataError; then the directory is unchanged */
export async function buildSandbox(
  store: Repository,
  target: Target,
  { directory, recordOnly, forCapture, onProgress, ...options }: BuildSandboxOptions
): Promise<BuiltSandbox> {
  const { composition, audience, lock } = await prepareImage(store, target, options)
  try {
    const { tree, data } = await withGenerated(composition, lock)
    const report = await writeSandbox(tree, data, directory, {
      recordOnly,
      forCapture,
      lock: formatLock(lock),
      audience,
      onProgress: summed(onProgress)
    })
    const { keptDirectories, overrides } = composition.tree
    return { ...report, directory, lock, keptDirectories, overrides }
  } finally {
    await composition.close()
  }
}
