import type { Command } from 'commander'

type Definition = { default: (program: Command) => void }

/** The file of each verb, in the order in which `compose --help` lists them. */
export const VERBS: Record<string, () => Promise<Definition>> = {
  init: () => import('./commands/init.ts'),
  import: () => import('./commands/import.ts'),
  show: () => import('./commands/show.ts'),
  export: () => import('./commands/export.ts'),
  fsck: () => import('./commands/fsck.ts')
}
