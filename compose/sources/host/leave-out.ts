/** Paths of this host that `--exclude` names: packages bring more than somebody wants to publish. */
import { type Facts, pathFromText, StrataError, showPath } from '../../../store/values/index.ts'
import { replacesMatcher } from '../../resolve/index.ts'
import { type HostTree, typedPath } from './host-tree.ts'

/**
 * Patterns are those of `replaces` (spec/module.md#replaces), of paths as they are typed or without links.
 * @returns a note for each pattern
 * @throws StrataError USAGE, PATH_MISSING for one that nothing which would be taken has
 */
export function leaveOut(tree: HostTree, patterns: string[]): string[] {
  return patterns.map(typed => {
    const shown = showPath(pathFromText(typed))
    if (!typed.startsWith('/'))
      throw new StrataError('USAGE', {
        message: `--exclude ${shown} is no absolute path`,
        hint: '--exclude "/usr/share/doc/**"'
      })
    const path = typedPath(typed)
    const real = tree.resolve(path, { followLast: false })
    const isMatch = replacesMatcher(real === undefined ? [path] : [path, real])!
    const dropped = tree.drop(isMatch)
    if (dropped > 0) return `left out by --exclude ${shown}: ${dropped}`
    throw new StrataError('PATH_MISSING', {
      message: `--exclude ${shown}: nothing that would be taken is of that name`,
      facts: { pattern: typed }
    })
  })
}

/** What gives privileges was brought by a package, in which nobody looks for it: how to do without it is told. */
export function withoutPrivileges(failure: unknown): unknown {
  if (!(failure instanceof StrataError) || failure.code !== 'PRIVILEGED') return undefined
  const flags = pathsIn(failure.facts).map(path => `--exclude ${path}`)
  return new StrataError('PRIVILEGED', {
    message: failure.message,
    facts: failure.facts,
    hint: `${flags.join(' ')} leaves them out; --allow-privileged keeps them exactly`,
    cause: failure
  })
}

/** `usr/bin/su (setuid root)`. */
const pathsIn = ({ paths }: Facts): string[] =>
  Array.isArray(paths) ? paths.map(text => `/${text.replace(/ \([^()]*\)$/, '')}`) : []
