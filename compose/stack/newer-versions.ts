/** Versions that the stores have, and that a stack does not take: what it asks for, or a requirement, keeps it from them. */

import { compareVersions, formatModuleName } from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import type { ResolvedModule } from '../resolve/index.ts'

export interface NewerVersion {
  module: string
  /** What its name stands for where nobody asks for a version. */
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
