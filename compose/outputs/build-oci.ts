/** `compose build --format oci`: builds an OCI image layout from a target (spec/outputs.md#oci). */

import { refuseNotRedistributable } from '../../store/access/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { applyFolderAccess } from '../audience/index.ts'
import {
  BegunLayout,
  type CacheUse,
  finishLayout,
  type KnownLayer,
  LayerCache,
  type LayerCompression,
  type WrittenLayout
} from '../oci/index.ts'
import { mergeParameters } from '../stack/index.ts'
import { mergeStack, readStack, recordsIn, type StackFiles } from './composition.ts'
import { layerHistory, type OutputOptions, type OutputReport, outputReport, tarSource } from './output.ts'
import { chooseParameters, lockOf, openTargetFiles } from './prepare-image.ts'
import type { Target } from './resolve-target.ts'
import { withGenerated } from './with-generated.ts'

export interface BuildOciOptions extends OutputOptions {
  /** Folder of the layout, which must not exist yet. */
  out: string
  /** Name of the image in the layout's index. */
  tag: string
  compression: LayerCompression
  /** Copy packed layers from the store's cache, and add newly packed ones. */
  cache: boolean
}

export interface OciReport extends OutputReport, WrittenLayout {
  out: string
  tag: string
  /** Undefined if the cache was not used. */
  cache?: CacheUse
}

/** @throws StrataError; then there is no folder */
export async function buildOci(
  store: Repository,
  target: Target,
  options: BuildOciOptions
): Promise<OciReport> {
  const files = await openTargetFiles(store, target, options)
  const { chosen, cache, layout } = await begin(store, files, target, options).catch(async error => {
    await files.close()
    throw error
  })
  try {
    // This runs beside the copying of packed layers.
    const stack = await readStack(files, options.verify)
    try {
      const { audience, parameters } = chosen
      const composition = mergeStack(stack, mergeParameters(parameters))
      const prepared = { composition, ...chosen, lock: lockOf(composition, target, parameters) }
      const complete = await withGenerated(composition, prepared.lock)
      const written = await finishLayout(tarSource(prepared, complete), layout, {
        ...options,
        cache,
        lower: composition.tree,
        ...mergeParameters(parameters),
        bare: parameters.bare,
        records: recordsIn(composition),
        history: layerHistory(composition, complete),
        admit: fd => applyFolderAccess(fd, audience)
      })
      const { out, tag } = options
      return { out, tag, cache: cache?.use, ...written, ...outputReport(prepared, complete, target) }
    } finally {
      await stack.close()
    }
  } finally {
    await layout.discard()
  }
}

/** Finds all that is needed before the first byte is copied; the layers' trees are not needed. */
async function begin(store: Repository, files: StackFiles, target: Target, options: BuildOciOptions) {
  const chosen = await chooseParameters(store, files, target, options)
  refuseNotRedistributable(chosen.licensed, 'an OCI image', options)
  const { parameters } = chosen
  const cache = options.cache
    ? new LayerCache(store, knownLayers(files), { ...options, parameters })
    : undefined
  return { chosen, cache, layout: await BegunLayout.begin({ ...options, target: options.out, cache }) }
}

/** The layers of the modules. That of generated files is left out, because it differs for every stack. */
const knownLayers = ({ layers, modules }: StackFiles): KnownLayer[] =>
  layers.map(({ files: { layer, dataSha256 }, module, role }) => ({
    id: layer,
    dataSha256,
    module,
    role,
    replaces: modules[module].metadata?.record.replaces ?? []
  }))
