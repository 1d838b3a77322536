/**
 * Groups bare layer ids into the modules that they came from. A merge must know where a module ends, because OCI
 * rules apply inside a module but not between modules (spec/merge.md). Each layer names the layer of its module that
 * it lies on.
 */
import type { Repository } from '../../store/repository/index.ts'
import type { ChosenModule } from './chosen-module.ts'

/** @throws StrataError BLOB_MISSING, BLOB_CORRUPT, MANIFEST_INVALID */
export async function groupBareLayers(store: Repository, chosen: ChosenModule[]): Promise<ChosenModule[]> {
  const grouped: ChosenModule[] = []
  for (const module of chosen) {
    if (module.record !== undefined || module.captured) {
      grouped.push(module)
      continue
    }
    for (const layer of module.layers) {
      const { parent, captured } = await store.readLayer(layer)
      const last = grouped.at(-1)
      const isSameModule =
        last?.record === undefined && parent !== undefined && last?.layers.at(-1)?.equals(parent)
      if (captured) grouped.push({ layers: [layer], captured })
      else if (last !== undefined && isSameModule) last.layers.push(layer)
      else grouped.push({ layers: [layer] })
    }
  }
  return grouped
}
