import type { PathBytes } from '../../../store/values/index.ts'
import type { HostTree } from './host-tree.ts'
import type { LibraryFinder } from './libraries.ts'

/**
 * Takes files that a command opened, with the links on the way, and libraries that plug-ins among them need. Files that are
 * gone by now were its own; a folder that it listed comes without content.
 */
export function takeTraced(
  tree: HostTree,
  libraries: LibraryFinder,
  paths: PathBytes[],
  isInBase: (path: PathBytes) => boolean
): void {
  for (const path of paths) {
    const real = tree.resolve(path, { followLast: true })
    if (real === undefined || isInBase(real)) continue
    tree.take(path, { followLast: true })
    if (tree.isFile(real)) libraries.take(real)
  }
}
