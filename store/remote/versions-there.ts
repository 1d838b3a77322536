/** Versions of a module in a place, by its tags (spec/registry.md#names). */
import type { ModuleName } from '../module/index.ts'
import { listTags, type RegistrySettings } from '../registry/index.ts'
import { StrataError } from '../values/index.ts'
import { type RemotePrefix, repositoryOf } from './module-place.ts'

/**
 * @returns undefined if the registry does not tell them; `+` of a version is `_` here
 */
export async function versionsThere(
  prefix: RemotePrefix,
  module: Pick<ModuleName, 'category' | 'name'>,
  settings: RegistrySettings
): Promise<string[] | undefined> {
  try {
    const tags = await listTags(repositoryOf(prefix, module), settings)
    return tags.filter(tag => /^[0-9]/.test(tag))
  } catch (error) {
    if (!(error instanceof StrataError)) throw error
    return error.code === 'REGISTRY_UNKNOWN' ? [] : undefined
  }
}
