/** How the layers of the record before were placed: no setting of a module, so who replaces it has to say it again. */
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
      if (error instanceof StrataError) return undefined // lost: nothing is known of it
      throw error
    })
    if (manifest !== undefined) before.add(flagsOf(manifest))
  }
  return [...before]
    .filter(flags => flags !== '' && !now.has(flags))
    .map(flags => `what is replaced was imported with ${flags}, this was not`)
}

function flagsOf({ strip = 0, prefix = '', owner }: LayerManifest): string {
  return [
    ...(strip > 0 ? [`--strip ${strip}`] : []),
    ...(prefix === '' ? [] : [`--prefix ${showPath(prefix)}`]),
    ...(owner === undefined ? [] : [`--owner ${owner.uid}:${owner.gid}`])
  ].join(' ')
}
