/** Leaves out paths that `--exclude` names, because packages have more files than users may want to publish. */
import { type Facts, pathFromText, StrataError, showPath } from '../../../store/values/index.ts'
import { replacesMatcher } from '../../resolve/index.ts'
import { type HostTree, typedPath } from './host-tree.ts'

/**
 * Patterns are those of `replaces` (spec/module.md#replaces). They match paths as typed or without links.
 * @returns a note for each pattern
 * @throws StrataError USAGE; PATH_MISSING for a pattern that matches no taken path
 */
export function leaveOut(tree: HostTree, patterns: string[]): string[] {
  return patterns.map(typed => {
    const shown = showPath(pathFromText(typed))
    if (!typed.startsWith('/'))
      throw new StrataError('USAGE', {
        message: `--exclude ${shown} is not an absolute path`,
        hint: '--exclude "/usr/share/doc/**"'
      })
    const path = typedPath(typed)
    const real = tree.resolve(path, { followLast: false })
    const isMatch = replacesMatcher(real === undefined ? [path] : [path, real])!
    const dropped = tree.drop(isMatch)
    if (dropped > 0) return `left out by --exclude ${shown}: ${dropped}`
    throw new StrataError('PATH_MISSING', {
      message: `--exclude ${shown}: no taken path matches`,
      facts: { pattern: typed }
    })
  })
}

/** Adds a hint to an error about files with privileges. A package brought them, so users do not expect them. */
export function withoutPrivileges(failure: unknown): unknown {
  if (!(failure instanceof StrataError) || failure.code !== 'PRIVILEGED') return undefined
  const flags = pathsIn(failure.facts).map(path => `--exclude ${path}`)
  return new StrataError('PRIVILEGED', {
    message: failure.message,
    facts: failure.facts,
    hint: `${flags.join(' ')} (leaves them out), or --allow-privileged (keeps them)`,
    cause: failure
  })
}

/** `usr/bin/su (setuid root)`. */
const pathsIn = ({ paths }: Facts): string[] =>
  Array.isArray(paths) ? paths.map(text => `/${text.replace(/ \([^()]*\)$/, '')}`) : []
