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

/** What a module's files are when compose writes them as root, as text. */
export function portraitOfModule(store: string, module: string): string {
  const directory = join(scratch(), 'tree')
  composed(store, ['build', '--bare', '--sandbox', directory, module])
  // What makes the directory a sandbox is not the module's.
  bash('touch -r "$1" "$1.time"; rm -r "$1/.compose"; touch -r "$1.time" "$1"', directory)
  return portrait(directory)
}
