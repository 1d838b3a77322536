import type { DataSource } from '../../store/object/index.ts'
import type { PathBytes } from '../../store/values/index.ts'
import { addLayer, type MergedTree } from '../merge/index.ts'
import {
  charliecloudLosses,
  type EnvironmentLoss,
  environmentChanges,
  generatedEntries,
  generatedLayer,
  shadowedPaths
} from '../runtime-files/index.ts'
import { formatLayerList, formatLock, type Lock } from '../stack/index.ts'
import { type Composition, dataOf } from './composition.ts'

export interface CompleteTree {
  tree: MergedTree
  /** Data of each layer of the tree. */
  data: DataSource[]
  /** Files for runtimes that a module brought itself, which are kept. */
  shadowed: PathBytes[]
  /** Variables that `ch-run --set-env` cannot set as the modules want them. */
  environmentLosses: EnvironmentLoss[]
}

/**
 * Adds the files that every image and sandbox gets (spec/image-metadata.md) to the modules' tree as one more layer on
 * top. A bare output has only the modules' tree.
 */
export async function withGenerated(
  { tree, modules, objects }: Composition,
  lock: Lock
): Promise<CompleteTree> {
  const data = dataOf(objects)
  if (lock.parameters.bare) return { tree, data, shadowed: [], environmentLosses: [] }
  const entries = generatedEntries({
    modules: modules.map(({ name, record, layers, metadata }) => ({
      name,
      layers,
      ...(metadata && { recordId: record, record: metadata.record, recordBytes: metadata.bytes })
    })),
    lock: formatLock(lock),
    layerList: formatLayerList(lock.modules),
    tree
  })
  const generated = await generatedLayer(entries, lock.parameters.profile)
  const layer = {
    index: generated.index,
    module: modules.length,
    name: 'compose',
    role: 'generated' as const,
    replaces: undefined // set, so that all layers have one shape (store/object/layer-index.ts)
  }
  const records = modules.flatMap(({ metadata }) => (metadata === undefined ? [] : [metadata.record]))
  return {
    tree: addLayer(tree, layer),
    data: [...data, generated.data],
    shadowed: shadowedPaths(entries, tree),
    environmentLosses: charliecloudLosses(environmentChanges(records))
  }
}
