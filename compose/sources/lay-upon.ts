/**
 * Finds the paths of other modules that a new module replaces. The new module was made from changes in a sandbox, or
 * from the upper layers of an image. The paths go into its record, so that a merge does not report them as conflicts
 * (spec/merge.md#rules).
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
  /** Paths in byte order. */
  replaces: PathBytes[]
  /** Ordinals of the modules that have one of these paths. */
  replaced: Set<number>
  tree: MergedTree
}

export interface LayUponOptions {
  /** Paths that the module already declares. */
  replaces?: PathBytes[]
  /** The rules of the merge. */
  merge?: MergeOptions
}

/**
 * @param stack with the layers of the module, without a record, at ordinal `at`
 * @throws StrataError CONFLICT with a module above it, or among its own layers; BLOB_MISSING, ACCESS_DENIED
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

/** Requires exactly this version, because the module was made on top of no other. */
export function exactly(module: string): Requirement {
  const { category, name, version } = parseModuleName(module)
  return { category, name, constraints: [{ relation: '=', version }] }
}
