/** `compose build --format oci`: a target as an OCI image layout (spec/outputs.md#oci). */
import { refuseNotRedistributable } from '../../store/access/redistribution.ts'
import type { Store } from '../../store/store.ts'
import { applyFolderAccess } from '../oci/folder-access.ts'
import type { LayerCompression } from '../oci/layer-packing.ts'
import { type WrittenLayout, writeLayout } from '../oci/write-layout.ts'
import { prepareImage } from './build-image.ts'
import {
  historyOf,
  type OutputOptions,
  type OutputReport,
  outputReport,
  recordsIn,
  tarSource
} from './output.ts'
import type { Target } from './target.ts'
import { withGenerated } from './with-generated.ts'

export interface BuildOciOptions extends OutputOptions {
  /** Folder of the layout; it is not there yet. */
  out: string
  /** The image's name in the layout's index. */
  tag: string
  compression: LayerCompression
}

export interface OciReport extends OutputReport, WrittenLayout {
  out: string
  tag: string
}

/** @throws StrataError; no folder is there then */
export async function buildOci(store: Store, target: Target, options: BuildOciOptions): Promise<OciReport> {
  const prepared = await prepareImage(store, target, options)
  const { composition, audience, lock } = prepared
  try {
    const records = recordsIn(composition)
    refuseNotRedistributable(records, 'an OCI image', options)
    const complete = await withGenerated(composition, lock)
    const { out, tag, compression, sync, onProgress } = options
    const { onConflict, bare } = lock.parameters
    const written = await writeLayout(tarSource(prepared, complete), {
      target: out,
      tag,
      compression,
      onConflict,
      bare,
      records,
      history: historyOf(composition, complete),
      sync,
      admit: fd => applyFolderAccess(fd, audience),
      onProgress
    })
    return { out, tag, ...written, ...outputReport(prepared, complete, target) }
  } finally {
    await composition.close()
  }
}
