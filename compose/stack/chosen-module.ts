import type { CID } from 'multiformats/cid'

/**
 * A part of a composition: a module with its layers, bare layers without metadata, or the changes of a sandbox to all
 * parts below.
 */
export interface ChosenModule {
  /** `category/name-version`; undefined for bare layers. */
  name?: string
  /** Id of the module's record; undefined for bare layers. */
  record?: CID
  /** Ids of layers, bottom to top. */
  layers: CID[]
  /**
   * True if the layers were captured on top of exactly the layers below, so that OCI rules apply
   * (spec/merge.md#captured).
   */
  captured?: boolean
  /**
   * For a module that was made from an image of a registry and has no ref: the image's address, with the digest of its
   * manifest. Where the layers are missing, they come from there.
   */
  source?: string
}
