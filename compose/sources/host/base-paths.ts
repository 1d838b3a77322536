import type { Repository } from '../../../store/repository/index.ts'
import type { PathBytes } from '../../../store/values/index.ts'
import { findPath, type MergedTree } from '../../merge/index.ts'
import { chosenModules, openComposition } from '../../outputs/index.ts'

/**
 * Returns a test that is true if one of the base modules has a path. Links in the path are not followed.
 * @param bases as the user typed them; they need not fit together
 * @throws StrataError MODULE_UNKNOWN, BLOB_MISSING, OBJECT_CORRUPT
 */
export async function pathsOfBases(
  store: Repository,
  bases: string[]
): Promise<(path: PathBytes) => boolean> {
  const trees: MergedTree[] = []
  for (const base of bases) trees.push(await treeOf(store, base))
  return path => trees.some(tree => findPath(tree, path) !== undefined)
}

async function treeOf(store: Repository, base: string): Promise<MergedTree> {
  const modules = await chosenModules(store, [await store.parseTypedRequest(base)])
  const { tree, close } = await openComposition(store, modules, store.profile)
  await close()
  return tree
}
