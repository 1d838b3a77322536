import { parseModuleRequest } from '../../../store/module/name.ts'
import type { PathBytes } from '../../../store/path-bytes.ts'
import type { Store } from '../../../store/store.ts'
import { openComposition } from '../../build/composition.ts'
import { chosenModules } from '../../build/target.ts'
import { findPath } from '../../merge/index.ts'

/**
 * Asks whether a base module has a path; links in it are not followed.
 * @param base as the user typed it; undefined: there is no base, and it has nothing
 * @throws StrataError MODULE_UNKNOWN, BLOB_MISSING, OBJECT_CORRUPT
 */
export async function pathsOfBase(
  store: Store,
  base: string | undefined
): Promise<(path: PathBytes) => boolean> {
  if (base === undefined) return () => false
  const modules = await chosenModules(store, [parseModuleRequest(base)])
  const { tree, close } = await openComposition(store, modules, store.profile)
  await close()
  return path => findPath(tree, path) !== undefined
}
