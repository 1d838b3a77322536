/**
 * Finds newer versions that the stores have and a stack does not take, because stack.yaml or a requirement keeps
 * another one.
 */

import { compareVersions, formatModuleName } from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import type { ResolvedModule } from '../resolve/index.ts'

export interface NewerVersion {
  module: string
  /** The version that its name stands for without a request for a version. */
  newer: string
}

/** @throws StrataError BLOB_MISSING, BLOB_CORRUPT, MANIFEST_INVALID */
export async function newerVersions(
  store: Repository,
  modules: readonly ResolvedModule[]
): Promise<NewerVersion[]> {
  const found: NewerVersion[] = []
  for (const { name } of modules) {
    const best = await store.findModule({ category: name.category, name: name.name })
    if (compareVersions(best.name.version, name.version) > 0)
      found.push({ module: formatModuleName(name), newer: formatModuleName(best.name) })
  }
  return found
}
