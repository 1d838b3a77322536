import { join } from 'node:path'
import { composed } from '../../helpers/compose.ts'
import { portrait } from '../../helpers/layers.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'

/** A store of its own, quick to pack. */
export function quickStoreFolder(): string {
  const store = join(scratch(), 'store')
  composed(store, ['init', '--level', '1'])
  return store
}

/** Files of a module as compose writes them as root, as text. */
export function portraitOfModule(store: string, module: string): string {
  const directory = join(scratch(), 'tree')
  composed(store, ['build', '--bare', '--sandbox', directory, module])
  // Files that make the directory a sandbox are not part of the module.
  bash('touch -r "$1" "$1.time"; rm -r "$1/.compose"; touch -r "$1.time" "$1"', directory)
  return portrait(directory)
}
