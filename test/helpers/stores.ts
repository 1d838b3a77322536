import { join } from 'node:path'
import { openModuleSources } from '../../compose/sources/open-module-source.ts'
import type { OpenSourceOptions } from '../../compose/sources/source-kind.ts'
import { IdNames } from '../../store/accounts/id-names.ts'
import { initStore } from '../../store/files/store.ts'
import {
  type ImportModuleOptions,
  type ImportModuleReport,
  importModule
} from '../../store/import/import-module.ts'
import { mergeSpec } from '../../store/module/merge-spec.ts'
import { parseModuleName } from '../../store/module/name.ts'
import type { ImportSettings } from '../../store/module/settings.ts'
import { openRepository } from '../../store/repository/open-repository.ts'
import type { Repository } from '../../store/repository/repository.ts'
import { DEFAULT_LIMITS } from '../../store/values/limits.ts'
import type { Profile } from '../../store/values/profile.ts'
import { scratch } from './scratch.ts'

/** Quick to pack. */
export const QUICK: Profile = { compressor: 'zstd', level: 1, blockSize: 131072 }

export async function newStore(profile: Profile = QUICK): Promise<Repository> {
  const root = join(scratch(), 'store')
  await initStore(root, profile)
  return openRepository({ store: root, path: '' })
}

/** Options beside the name and the sources. */
export interface ImportIntoOptions
  extends Partial<Omit<ImportModuleOptions, 'name' | 'flags' | 'sources'>>,
    Partial<Pick<OpenSourceOptions, 'reference' | 'platform' | 'registry' | 'onProgress'>> {
  settings?: Partial<ImportSettings>
}

/** Does the same as `compose import NAME SOURCES...`; the module is a base unless the options name another kind. */
export async function importInto(
  store: Repository,
  name: string,
  paths: string[],
  { settings = {}, reference, platform, registry, onProgress, ...options }: ImportIntoOptions = {}
): Promise<ImportModuleReport> {
  const module = parseModuleName(name)
  const { limits = DEFAULT_LIMITS, spec } = options
  const { kind } = mergeSpec(module, spec, settings)
  const names = options.names ?? new IdNames()
  const choice = { reference, platform, registry }
  const sources = await openModuleSources(store, paths, {
    name: module,
    limits,
    kind,
    names,
    ...choice,
    onProgress
  })
  return importModule(store, {
    name: module,
    flags: settings,
    sources,
    names,
    ignoreMissing: false,
    replace: false,
    ...options,
    limits
  })
}
