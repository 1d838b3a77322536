/** `compose build --sandbox`: writes a target to a directory that records the layers it was made from. */

import type { CID } from 'multiformats/cid'
import type { Repository } from '../../store/repository/index.ts'
import type { Timestamp } from '../../store/tar/index.ts'
import { type KeptDirectory, type MergeOptions, mergeLayers, type Override } from '../merge/index.ts'
import { type SandboxReport, writeSandbox } from '../sandbox/index.ts'
import { formatLock, type Lock, mergeParameters } from '../stack/index.ts'
import { dataOf, openStack } from './composition.ts'
import type { ImageOptions } from './image-options.ts'
import { prepareImage } from './prepare-image.ts'
import type { Target } from './resolve-target.ts'
import { summed } from './summed.ts'
import { type CompleteTree, withGenerated } from './with-generated.ts'

export interface BuildSandboxOptions extends ImageOptions {
  directory: string
  verify: boolean
  recordOnly: boolean
  /** For commands that are to be captured: as they see it, and not as users do. */
  forCapture?: boolean
  /** Changes on top of the tree, which count as changes of the sandbox. */
  edits?: KeptEdits
  onProgress?: (bytesSoFar: number) => void
}

export interface KeptEdits {
  /** Has the layer. */
  store: Repository
  layer: CID
  /** When the tree in which they were made was complete. */
  since: Timestamp
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
  { directory, recordOnly, forCapture, edits, onProgress, ...options }: BuildSandboxOptions
): Promise<BuiltSandbox> {
  const { composition, audience, lock } = await prepareImage(store, target, options)
  try {
    const below = await withGenerated(composition, lock)
    const edited =
      edits === undefined ? undefined : await withEdits(below, edits, mergeParameters(lock.parameters))
    const { tree, data } = edited ?? below
    const report = await writeSandbox(tree, data, directory, {
      ...(edits && { recorded: { tree: below.tree, since: edits.since } }),
      recordOnly,
      forCapture,
      lock: formatLock(lock),
      audience,
      onProgress: summed(onProgress)
    }).finally(edited?.close)
    const { keptDirectories, overrides } = composition.tree
    return { ...report, directory, lock, keptDirectories, overrides }
  } finally {
    await composition.close()
  }
}

/** The caller closes it. */
async function withEdits(
  { tree, data }: CompleteTree,
  { store, layer }: KeptEdits,
  options: MergeOptions
): Promise<Pick<CompleteTree, 'tree' | 'data'> & { close(): Promise<void> }> {
  const { layers, objects, close } = await openStack(
    store,
    [{ layers: [layer], captured: true }],
    store.profile
  )
  const module = tree.layers.length
  return {
    tree: mergeLayers([...tree.layers, { ...layers[0], module }], options),
    data: [...data, ...dataOf(objects)],
    close
  }
}
