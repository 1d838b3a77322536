import { join } from 'node:path'
import { IdNames } from '../../store/id-names.ts'
import {
  type ImportModuleOptions,
  type ImportModuleReport,
  importModule
} from '../../store/import/import-module.ts'
import { DEFAULT_LIMITS } from '../../store/limits.ts'
import { mergeSpec } from '../../store/module/merge-spec.ts'
import { parseModuleName } from '../../store/module/name.ts'
import type { ImportSettings } from '../../store/module/settings.ts'
import type { Profile } from '../../store/object/profile.ts'
import { initStore, openStore, type Store } from '../../store/store.ts'
import { scratch } from './scratch.ts'

/** Quick to pack. */
export const QUICK: Profile = { compressor: 'zstd', level: 1, blockSize: 131072 }

export async function newStore(profile: Profile = QUICK): Promise<Store> {
  const root = join(scratch(), 'store')
  await initStore(root, profile)
  return openStore({ store: root, path: '' })
}

const NOTHING: ImportSettings = {
  requires: [],
  conflicts: [],
  environment: [],
  accessGroups: [],
  labels: {},
  replaces: [],
  sources: []
}

/** As `compose import NAME SOURCES...` does; of a base, unless told otherwise. */
export function importInto(
  store: Store,
  name: string,
  sources: string[],
  {
    settings = {},
    ...options
  }: Partial<Omit<ImportModuleOptions, 'settings'>> & { settings?: Partial<ImportSettings> } = {}
): Promise<ImportModuleReport> {
  const module = parseModuleName(name)
  return importModule(store, {
    name: module,
    settings: mergeSpec(module, undefined, { ...NOTHING, ...settings, sources }),
    names: new IdNames(),
    limits: DEFAULT_LIMITS,
    ignoreMissing: false,
    replace: false,
    ...options
  })
}
