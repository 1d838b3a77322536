/** `--base` of an image: finds the module that has its lower layers (spec/sources.md#base). */

import type { CID } from 'multiformats/cid'
import { type ModuleSource, placementOf } from '../../store/import/index.ts'
import { formatModuleName } from '../../store/module/index.ts'
import type { ImageBase } from '../../store/oci/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { type Digest, StrataError, sha256Of, showPath } from '../../store/values/index.ts'
import { chosenModules } from '../outputs/index.ts'
import { exactly, layUpon } from './lay-upon.ts'

export interface FoundBase extends ImageBase {
  /** The source of an image without these layers, with the record's facts about the base. */
  above(source: ModuleSource): ModuleSource
}

/**
 * @param typed as the user named it
 * @throws StrataError MODULE_UNKNOWN, BLOB_MISSING; USAGE for a module whose layers cannot be those of an image
 */
export async function imageBase(store: Repository, typed: string): Promise<FoundBase> {
  const request = await store.parseTypedRequest(typed)
  const found = await store.findModule(request)
  const name = formatModuleName(found.name)
  const { layers, environment } = await store.readRecord(found.record)
  const tars: Digest[] = []
  for (const layer of layers) {
    const manifest = await store.readLayer(layer)
    const { strip, prefix, owner } = placementOf(manifest)
    if (strip > 0 || prefix !== '' || owner !== undefined)
      throw new StrataError('USAGE', {
        message: `${name} cannot be the base of an image, because it was imported with --strip, --prefix or --owner`
      })
    tars.push(sha256Of(manifest.tar))
  }
  const above = (source: ModuleSource): ModuleSource => {
    const notes = [...(source.notes ?? [])]
    const complete = async (upper: CID[]) => {
      const below = await chosenModules(store, [found.name])
      const { replaces, tree } = await layUpon(store, [...below, { layers: upper }], below.length)
      for (const { path, what } of tree.keptDirectories)
        notes.push(`/${showPath(path)} keeps the ${what.join(', ')} that it has in ${name}`)
      return { replaces, requires: [exactly(name)] }
    }
    return { ...source, notes, complete }
  }
  return { name, tars, environment, above }
}
