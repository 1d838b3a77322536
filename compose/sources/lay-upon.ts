/**
 * A module that was made on top of others, of what was changed in a sandbox or of an image's upper layers: what it
 * replaces of them goes into its record, so that a merge takes it for no conflict (spec/merge.md#rules), and of no other
 * path.
 */

import { parseModuleName, type Requirement } from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import type { PathBytes } from '../../store/values/index.ts'
import {
  ConflictError,
  type MergedTree,
  type MergeOptions,
  mergeLayers,
  type StackLayer
} from '../merge/index.ts'
import { openStack } from '../outputs/index.ts'
import { replacesMatcher } from '../resolve/index.ts'
import type { ChosenModule } from '../stack/index.ts'

export interface LaidUpon {
  /** In byte order. */
  replaces: PathBytes[]
  /** Ordinals of the modules of which it replaces something. */
  replaced: Set<number>
  tree: MergedTree
}

export interface LayUponOptions {
  /** What the module says of itself already. */
  replaces?: PathBytes[]
  /** How the modules go together otherwise. */
  merge?: MergeOptions
}

/**
 * @param stack with the layers of the module, without a record, at ordinal `at`
 * @throws StrataError CONFLICT where a module above it does not agree, or one of its own layers; BLOB_MISSING, ACCESS_DENIED
 */
export async function layUpon(
  store: Repository,
  stack: ChosenModule[],
  at: number,
  { replaces = [], merge = {} }: LayUponOptions = {}
): Promise<LaidUpon> {
  const opened = await openStack(store, stack, store.profile)
  try {
    const paths = new Set(replaces)
    const replaced = new Set<number>()
    for (;;) {
      const found = mergeOrConflicts(withReplaces(opened.layers, at, [...paths]), {
        ...merge,
        onConflict: 'error'
      })
      const own = found instanceof ConflictError ? found.conflicts.filter(({ upper }) => upper === at) : []
      const isNews = own.some(({ path }) => !paths.has(path))
      for (const { path, lower } of own) {
        paths.add(path)
        replaced.add(lower)
      }
      if (isNews) continue
      if (found instanceof ConflictError && merge.onConflict !== 'upper') throw found
      const layers = withReplaces(opened.layers, at, [...paths])
      const tree = found instanceof ConflictError ? mergeLayers(layers, merge) : found
      return { replaces: [...paths].sort(), replaced, tree }
    }
  } finally {
    await opened.close()
  }
}

const withReplaces = (layers: StackLayer[], at: number, replaces: PathBytes[]): StackLayer[] =>
  layers.map(layer => (layer.module === at ? { ...layer, replaces: replacesMatcher(replaces) } : layer))

function mergeOrConflicts(layers: StackLayer[], options: MergeOptions): MergedTree | ConflictError {
  try {
    return mergeLayers(layers, options)
  } catch (error) {
    if (error instanceof ConflictError) return error
    throw error
  }
}

/** The very version: what lies upon it was made for no other. */
export function exactly(module: string): Requirement {
  const { category, name, version } = parseModuleName(module)
  return { category, name, constraints: [{ relation: '=', version }] }
}
