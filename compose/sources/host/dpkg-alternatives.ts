import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PathBytes } from '../../../store/values/index.ts'
import type { HostTree } from './host-tree.ts'

/**
 * Finds links that lead through /etc/alternatives to one of these paths. A file of var/lib/dpkg/alternatives has a
 * line `auto` or `manual`, the link of the group, then name and link of each further one, up to an empty line.
 * @param paths relative to the root, without links
 */
export function readAlternatives(root: string, tree: HostTree, paths: ReadonlySet<PathBytes>): PathBytes[] {
  const folder = join(root, 'var/lib/dpkg/alternatives')
  return namesIn(folder).flatMap(name => {
    const all = readFileSync(join(folder, name), 'latin1').split('\n')
    const [, link, ...rest] = all.slice(0, Math.max(all.indexOf(''), 2))
    const followers = rest.filter((_, i) => i % 2 === 1)
    return [link, ...followers].filter(candidate => {
      const end = tree.resolve(candidate, { followLast: true })
      return end !== undefined && paths.has(end)
    })
  })
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
