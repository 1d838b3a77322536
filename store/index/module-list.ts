/** Lists every module of one store with its summary: from `index/modules.json` if it is current, else from refs/. */

import { join } from 'node:path'
import { debuglog } from 'node:util'
import type { Store } from '../files/index.ts'
import { isCurrent } from './is-current.ts'
import { type IndexedModules, type ModuleList, readModulesFile } from './modules-file.ts'

const debug = debuglog('strata')

/**
 * The current content of refs/. An index that is missing, broken or out of date is written anew if this process may
 * write; failing to do so is not an error.
 * @param store whose own root is listed
 * @throws StrataError IO if refs/ cannot be read
 */
export async function listIndexed(store: Store): Promise<ModuleList> {
  const known = readModulesFile(store.root)
  if (known !== undefined && seemsCurrent(store.root, known.modules))
    return { modules: known.modules, faults: [] }
  // Imported here, because this and the codecs of manifests take longer to load than a good index to read.
  const { refreshModules } = await import('./refresh-modules.ts')
  return refreshModules(store, { known, mayMakeFolder: false })
}

/** False if a folder cannot be read; the scan then reports why. */
function seemsCurrent(root: string, modules: IndexedModules): boolean {
  try {
    return isCurrent(root, modules)
  } catch (error) {
    debug('index of %s: %o', join(root), error)
    return false
  }
}
