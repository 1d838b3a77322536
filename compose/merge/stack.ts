import type { LayerIndex } from '../../store/object/index.ts'
import type { PathBytes } from '../../store/values/index.ts'
import type { DirectoryRule } from './directory-rule.ts'

/**
 * module: rules between modules at what other modules brought, OCI rules at what its own lower layers brought.
 * captured: OCI rules at everything below, for a layer that was made on top of exactly these layers.
 * generated: fills in what no module has; it replaces nothing and is no part of the tree digest.
 */
export type LayerRole = 'module' | 'captured' | 'generated'

/** One layer as it takes part in a merge (spec/merge.md). */
export interface StackLayer {
  index: LayerIndex
  /** Ordinal of the module that the layer belongs to; the layers of one module stand together. */
  module: number
  /** The module's name, for messages. */
  name: string
  role: LayerRole
  /** Whether the module's record says that it replaces this path of modules below; relative to the root. */
  replaces?: (path: PathBytes) => boolean
}

/** An inode, by the ordinal of its layer in the stack. */
export interface InodeOfLayer {
  layer: number
  inode: number
}

/** Inodes of lower layers that a layer's hard links lead to, by ordinal of that layer and by inode of the link. */
export type LowerLinks = ReadonlyMap<number, ReadonlyMap<number, InodeOfLayer>>

export interface MergeOptions {
  /** What to do where modules differ: refuse (all differences at once), or take the upper module's. */
  onConflict?: 'error' | 'upper'
  /** Where a directory of an upper module admits fewer than the lower one's. By default as `onConflict` says. */
  directories?: DirectoryRule
  /** The last module has more layers, which may say otherwise of a directory: nothing of it is decided. */
  isCut?: boolean
}

/** @throws TypeError when the order of roles or modules is none that a merge can follow */
export function checkStack(layers: StackLayer[]): void {
  if (layers.length === 0) throw new TypeError('a stack has at least one layer')
  if (layers.length > 0xffff) throw new TypeError(`a stack has at most 65535 layers, not ${layers.length}`)
  const seen = new Set<number>()
  layers.forEach(({ module, role }, i) => {
    const below = layers[i - 1]
    if (below?.role === 'generated' && role !== 'generated')
      throw new TypeError('generated layers stand above all others')
    if (below?.module !== module && seen.has(module))
      throw new TypeError(`the layers of module ${module} do not stand together`)
    seen.add(module)
  })
}
