/**
 * Compares the placement of layers with that of the former record's. Placement is not a setting of a module, so it is
 * not inherited.
 */
import { readLayer } from '../contents/index.ts'
import type { Store } from '../files/index.ts'
import type { LayerManifest, ModuleRecord } from '../module/index.ts'
import { StrataError, showPath } from '../values/index.ts'

/** A note for each placement that no new layer has. @param record undefined: nothing is replaced */
export async function formerPlacementNotes(
  store: Store,
  record: ModuleRecord | undefined,
  layers: readonly { manifest: LayerManifest }[]
): Promise<string[]> {
  const now = new Set(layers.map(({ manifest }) => flagsOf(manifest)))
  const before = new Set<string>()
  for (const id of record?.layers ?? []) {
    const manifest = await readLayer(store, id).catch(error => {
      if (error instanceof StrataError) return undefined // the layer is lost, so its placement is unknown
      throw error
    })
    if (manifest !== undefined) before.add(flagsOf(manifest))
  }
  return [...before]
    .filter(flags => flags !== '' && !now.has(flags))
    .map(flags => `the replaced record was imported with ${flags}, but this one was not`)
}

function flagsOf({ strip = 0, prefix = '', owner }: LayerManifest): string {
  return [
    ...(strip > 0 ? [`--strip ${strip}`] : []),
    ...(prefix === '' ? [] : [`--prefix ${showPath(prefix)}`]),
    ...(owner === undefined ? [] : [`--owner ${owner.uid}:${owner.gid}`])
  ].join(' ')
}
