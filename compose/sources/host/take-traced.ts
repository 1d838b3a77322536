import { closeSync } from 'node:fs'
import type { SkippedPath } from '../../../store/import/index.ts'
import { type PathBytes, pathFromText, StrataError, showPath } from '../../../store/values/index.ts'
import type { HostTree } from './host-tree.ts'
import type { LibraryFinder } from './libraries.ts'
import type { Traced } from './trace.ts'

/**
 * Takes files that a command opened, with the links on the way, and libraries that plug-ins among them need. Files that are
 * gone by now were its own; a folder that it listed comes without content.
 * @returns files that it only asked about, and that cannot be read
 */
export function takeTraced(
  tree: HostTree,
  libraries: LibraryFinder,
  { files, asked }: Pick<Traced, 'files' | 'asked'>,
  isInBase: (path: PathBytes) => boolean
): SkippedPath[] {
  const take = (path: PathBytes): PathBytes | undefined => {
    const real = tree.resolve(path, { followLast: true })
    return real === undefined || isInBase(real) ? undefined : tree.take(path, { followLast: true })
  }
  for (const path of files) {
    const real = take(path)
    if (real !== undefined && tree.isFile(real)) libraries.take(real)
  }
  const skipped = new Map<PathBytes, SkippedPath>()
  for (const path of asked) {
    const real = tree.resolve(path, { followLast: true })
    if (real === undefined) continue
    if (!tree.isFile(real) || isReadable(tree, real)) take(path)
    else if (!isInBase(real))
      skipped.set(real, { path: real, reason: 'the command only asked about it, and you may not read it' })
  }
  return [...skipped.values()]
}

function isReadable(tree: HostTree, real: PathBytes): boolean {
  try {
    closeSync(tree.openForReading(real))
    return true
  } catch (error) {
    if (error instanceof StrataError) return false
    throw error
  }
}

/**
 * What the command used of folders that no trace takes, as a note, unless it was taken otherwise.
 * @throws StrataError USAGE if the command itself is in one
 */
export function notesOfLeftOut(tree: HostTree, { command, leftOut }: Traced): string[] {
  const missing = leftOut.filter(({ path }) => {
    const real = tree.resolve(path, { followLast: true })
    return real !== undefined && tree.isFile(real) && !tree.isTaken(real)
  })
  const self = missing.find(({ path }) => path === pathFromText(command))
  if (self !== undefined)
    throw new StrataError('USAGE', {
      message: `${showPath(self.path)}, the command of --trace, is below ${showPath(self.below)}, whose files no trace takes`,
      facts: { command: showPath(self.path) },
      hint: `--host-program ${showPath(self.path)} before --trace takes it`
    })
  if (missing.length === 0) return []
  const places = [...new Set(missing.map(({ below }) => showPath(below)))].sort().join(', ')
  const [files, were] = missing.length === 1 ? ['file', 'was'] : ['files', 'were']
  return [`${missing.length} ${files} below ${places} ${were} left out: --include PATH brings them`]
}
