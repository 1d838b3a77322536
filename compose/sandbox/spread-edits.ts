import { Kind, NONE } from '../../store/object/index.ts'
import type { PathBytes } from '../../store/values/index.ts'
import type { Candidate } from './find-edits.ts'

/**
 * Adds edits that follow from others. A layer can only hold hard links among its own files, so all names of an inode
 * are added if one is edited. A generated directory lies above the captured layer, so it is added if something new is
 * in it.
 */
export function spreadEdits(candidates: Candidate[]): void {
  spreadOverLinks(candidates.filter(({ kind }) => kind !== Kind.directory))
  const directories = new Map(
    candidates.filter(({ kind }) => kind === Kind.directory).map(candidate => [candidate.path, candidate])
  )
  for (const { path, isEdited } of [...candidates])
    if (isEdited)
      for (const above of parents(path)) {
        const directory = directories.get(above)
        if (directory !== undefined) directory.isEdited = true
      }
}

function spreadOverLinks(candidates: Candidate[]): void {
  const ofInode = groupBy(candidates, ({ status }) => `${status.ino}`)
  for (const names of groupBy(candidates, ({ inode }) => `${inode}`).values()) separate(names)
  for (const names of ofInode.values()) {
    const isMixed = names.some(({ inode }) => inode !== names[0].inode)
    if (!isMixed && !names.some(({ isEdited }) => isEdited)) continue
    const first = names.find(({ inode }) => inode !== NONE) ?? names[0]
    for (const name of names) {
      name.isEdited = true
      name.metadata = first.metadata
    }
  }
}

/**
 * Separates names that were one inode and no longer are. Names of one inode can stay as they are, and others become
 * new files.
 */
function separate(names: Candidate[]): void {
  if (names[0].inode === NONE) return
  const stays = names.find(({ isEdited }) => !isEdited)
  for (const name of names) if (name.status.ino !== stays?.status.ino) name.isEdited = true
}

const parents = (path: PathBytes): PathBytes[] =>
  path === ''
    ? []
    : [
        '',
        ...path
          .split('/')
          .slice(0, -1)
          .map((_, i, names) => names.slice(0, i + 1).join('/'))
      ]

function groupBy<T>(items: T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}
