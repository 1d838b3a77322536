import type { LayerIndex } from '../../store/object/index.ts'
import type { PathBytes } from '../../store/values/index.ts'
import type { DirectoryRule } from './directory-rule.ts'

/**
 * module: rules between modules apply to files of other modules, and OCI rules to lower layers of the same module.
 * captured: OCI rules apply to everything below, for a layer that was made on top of exactly these layers.
 * generated: adds files that no module has; it replaces nothing and is not part of the tree digest.
 */
export type LayerRole = 'module' | 'captured' | 'generated'

/** A layer in a merge (spec/merge.md). */
export interface StackLayer {
  index: LayerIndex
  /** Ordinal of the layer's module; the layers of one module are neighbours. */
  module: number
  /** The module's name, for messages. */
  name: string
  role: LayerRole
  /** True for a path of lower modules that the module's record says it replaces; relative to the root. */
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
  /** Rule where modules differ: refuse (listing all differences), or take the upper module's. */
  onConflict?: 'error' | 'upper'
  /**
   * Rule where a directory of an upper module admits fewer users than the lower one's. The default follows
   * `onConflict`.
   */
  directories?: DirectoryRule
  /**
   * True if the last module has further layers, which may change its directories, so that nothing is decided about
   * them.
   */
  isCut?: boolean
}

/** @throws TypeError for an order of roles or modules that cannot be merged */
export function checkStack(layers: StackLayer[]): void {
  if (layers.length === 0) throw new TypeError('a stack has at least one layer')
  if (layers.length > 0xffff) throw new TypeError(`a stack has at most 65535 layers, not ${layers.length}`)
  const seen = new Set<number>()
  layers.forEach(({ module, role }, i) => {
    const below = layers[i - 1]
    if (below?.role === 'generated' && role === 'module')
      throw new TypeError('generated layers stand above all modules')
    if (below?.module !== module && seen.has(module))
      throw new TypeError(`the layers of module ${module} do not stand together`)
    seen.add(module)
  })
}
