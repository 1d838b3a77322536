/** Takes data files of this host that `--include` names. */
import { type PathBytes, pathFromText, StrataError, showPath } from '../../../store/values/index.ts'
import { replacesMatcher } from '../../resolve/index.ts'
import { type HostTree, isDirectory, typedPath } from './host-tree.ts'
import type { LibraryFinder } from './libraries.ts'

/**
 * Patterns are those of `replaces` (spec/module.md#replaces): a path covers all below it, and `*`, `?`, `**` match.
 * Libraries that plug-ins among the files need are taken, too.
 * @throws StrataError USAGE, PATH_MISSING, PACKAGE_MISSING, IO
 */
export function takeIncluded(tree: HostTree, libraries: LibraryFinder, patterns: string[]): void {
  for (const typed of patterns) {
    if (!typed.startsWith('/'))
      throw new StrataError('USAGE', {
        message: `--include ${showPath(pathFromText(typed))} is not an absolute path`,
        hint: '--include "/usr/share/tool/**"'
      })
    if (takePattern(tree, libraries, typedPath(typed)) === 0)
      throw new StrataError('PATH_MISSING', {
        message: `--include ${showPath(pathFromText(typed))}: no path of this host matches`,
        facts: { pattern: typed }
      })
  }
}

function takePattern(tree: HostTree, libraries: LibraryFinder, pattern: PathBytes): number {
  const parts = pattern.split('/')
  const firstWild = parts.findIndex(part => /[*?]/.test(part))
  const fixed = firstWild < 0 ? pattern : parts.slice(0, firstWild).join('/')
  const isMatch = replacesMatcher([pattern])!
  const start = tree.resolve(fixed, { followLast: true })
  if (start === undefined) return 0
  let taken = 0
  // A path is compared by the name that was typed, and read by the one without links.
  const open = [{ path: fixed, real: start }]
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (isMatch(at.path)) {
      taken++
      const real = tree.take(at.path, { followLast: true }) ?? tree.take(at.path, { followLast: false })
      if (real !== undefined) libraries.take(real)
    }
    const status = tree.status(at.real)
    if (status === undefined || !isDirectory({ status })) continue
    for (const name of tree.names(at.real).reverse())
      open.push({ path: join(at.path, name), real: join(at.real, name) })
  }
  return taken
}

const join = (folder: PathBytes, name: PathBytes): PathBytes => (folder === '' ? name : `${folder}/${name}`)
