/** Resolves a path that a user typed through symbolic links, inside a tree and never out of it. */
import type { PathBytes } from '../../store/values/index.ts'

/** Linux follows as many (path_resolution(7)). */
const MOST_LINKS = 40

export interface LookedUp {
  /** Target, if this is a symbolic link. */
  linkTarget?: PathBytes
}

/**
 * @param path relative to the root
 * @param lookUp finds a name without following links; undefined if there is none
 * @param options.followLast also follow a link at the end
 * @returns the path without links; undefined if it leads nowhere
 */
export function resolvePath(
  path: PathBytes,
  lookUp: (path: PathBytes) => LookedUp | undefined,
  { followLast }: { followLast: boolean }
): PathBytes | undefined {
  const ahead = namesOf(path)
  const resolved: PathBytes[] = []
  let links = 0
  for (let name = ahead.shift(); name !== undefined; name = ahead.shift()) {
    if (name === '..') {
      resolved.pop() // the parent of the root is the root
      continue
    }
    const found = lookUp([...resolved, name].join('/'))
    if (found === undefined) return undefined
    const { linkTarget } = found
    if (linkTarget === undefined || (ahead.length === 0 && !followLast)) {
      resolved.push(name)
      continue
    }
    if (++links > MOST_LINKS) return undefined
    if (linkTarget.startsWith('/')) resolved.length = 0
    ahead.unshift(...namesOf(linkTarget))
  }
  return resolved.join('/')
}

const namesOf = (path: PathBytes): PathBytes[] => path.split('/').filter(name => name !== '' && name !== '.')
