import type { CID } from 'multiformats/cid'

/**
 * One part of what is composed, bottom to top: a module with its layers, bare layers without metadata, or what a
 * user changed in a sandbox of all parts below.
 */
export interface ChosenModule {
  /** `category/name-version`; undefined for bare layers. */
  name?: string
  /** Id of the module's record; undefined for bare layers. */
  record?: CID
  /** Ids of layers, bottom to top. */
  layers: CID[]
  /** The layers were captured on top of exactly what lies below: OCI rules hold (spec/merge.md#captured). */
  captured?: boolean
}
